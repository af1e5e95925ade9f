/*
 * moments.h
 *		The moments of an experiment: per variant the number of units, the
 *		vector of means and the matrix of centred co-moments.
 *
 * A state is one flat varlena, which is at once the transition state of the
 * aggregates and the stored value:
 *
 *		Moments header | constant argument, if any | arm | arm | ...
 *
 * The numbers of an arm of k metrics are
 *
 *		mean[k], residual[k], residual_low[k], comoments[k(k+1)/2]
 *
 * residual + residual_low is the sum of what the units differ from `mean` by,
 * kept to twice the precision of a float8, so that
 *
 *		true mean = mean + (residual + residual_low) / n
 *
 * While rows are added, `mean` stays the arm's first row: a metric of mean 1e12
 * and variance 1 loses nothing to rounding.  In a finished state `mean` is the
 * true mean rounded, residual what the rounding lost, residual_low zero.
 *
 * comoments is the lower triangle of the sums of products of deviations from
 * the mean, packed by rows: C11, C21, C22, C31, ...  A diagonal state keeps its
 * diagonal only, the sums of squares C11, C22, ..., which is all that means and
 * variances need.
 */
#ifndef EXPSTAT_MOMENTS_H
#define EXPSTAT_MOMENTS_H

#include "arms.h"

#define MOMENTS_UNITS_MAX	 INT64CONST(9007199254740992) /* 2^53: n is exact as a float8 */
#define MOMENTS_METRICS_MAX	 64							  /* with co-moments */
#define MOMENTS_DIAGONAL_MAX 1000						  /* without, and of any state */

/*
 * What is kept of the co-moments.  It is the version byte of the stored format:
 * an expstat that does not know a shape refuses it.  A state of one metric, which
 * has nothing but a diagonal, is always MOMENTS_FULL.
 */
typedef enum MomentsShape
{
	MOMENTS_FULL = 1,
	MOMENTS_DIAGONAL = 2
} MomentsShape;

/*
 * A constant argument of an aggregate travels in its state, because a final
 * function never sees the arguments in a parallel or distributed plan.
 */
typedef enum MomentsConstant
{
	MOMENTS_NO_CONSTANT = 0,
	MOMENTS_CONTROL = 1, /* a control label */
	MOMENTS_WEIGHTS = 2	 /* the contents of a jsonb */
} MomentsConstant;

typedef struct Moments
{
	int32	 vl_len_;	   /* varlena header (do not touch directly!) */
	uint8	 shape;		   /* a MomentsShape */
	uint8	 constantkind; /* a MomentsConstant */
	uint16	 metrics;	   /* k, 0 for a state that only counts */
	uint32	 constantsize; /* bytes */
	ArmTable arms;
	char	 data[FLEXIBLE_ARRAY_MEMBER];
} Moments;

#define MOMENTS_HEADER_SIZE offsetof(Moments, data)

static inline int
packed_size(int metrics)
{
	return metrics * (metrics + 1) / 2;
}

/* Position in the packed triangle of the pair (i, j), in any order. */
static inline int
packed_index(int i, int j)
{
	return i >= j ? packed_size(i) + j : packed_size(j) + i;
}

static inline char *
moments_records(const Moments *m)
{
	return (char *) m->data + TYPEALIGN(8, m->constantsize);
}

static inline Arm *
moments_arm(const Moments *m, int i)
{
	return arm_at(&m->arms, moments_records(m), i);
}

static inline double *
moments_mean(const Moments *m, const Arm *arm)
{
	return arm_numbers(&m->arms, arm);
}

static inline double *
moments_residual(const Moments *m, const Arm *arm)
{
	return moments_mean(m, arm) + m->metrics;
}

static inline double *
moments_residual_low(const Moments *m, const Arm *arm)
{
	return moments_mean(m, arm) + 2 * m->metrics;
}

/* Of a diagonal state: the sums of squares. */
static inline double *
moments_comoments(const Moments *m, const Arm *arm)
{
	return moments_mean(m, arm) + 3 * m->metrics;
}

/* How many of them there are. */
static inline int
comoments_size(MomentsShape shape, int metrics)
{
	return shape == MOMENTS_DIAGONAL ? metrics : packed_size(metrics);
}

/* The sum of squared deviations of one metric. */
static inline double
moments_squares(const Moments *m, const Arm *arm, int metric)
{
	return moments_comoments(
		m, arm)[m->shape == MOMENTS_DIAGONAL ? metric : packed_index(metric, metric)];
}

/* The index of the arm with this label, or -1. */
static inline int
moments_find(const Moments *m, const char *label, int len)
{
	return arms_search(&m->arms, moments_records(m), label, len);
}

static inline bool
moments_has_constant(const Moments *m, MomentsConstant kind, const void *constant, Size size)
{
	return m->constantkind == kind && m->constantsize == size &&
		(size == 0 || memcmp(m->data, constant, size) == 0);
}

/*
 * Add `value` to sum + sum_low and keep the rounding error (Knuth 1969, vol. 2,
 * 4.2.2, theorem B, "TwoSum").
 */
static inline void
add_exactly(double *sum, double *sum_low, double value)
{
	double total = *sum + value;
	double part = total - *sum;

	*sum_low += (*sum - (total - part)) + (value - part);
	*sum = total;
}

/*
 * Add one unit to an arm.
 *
 * With y the unit's differences from the arm's first row, T their sum over the
 * n - 1 units before it (Youngs and Cramer 1971, for products):
 *
 *		u_i   = (n - 1) y_i - T_i
 *		C_ij += u_i u_j / (n (n - 1))
 *
 * Every term added to a variance is positive and of the size of the data's own
 * spread, so nothing cancels.
 *
 * This runs for every row of a table: it is inline, and k, the state's number
 * of metrics, is an argument, so that a constant k leaves no loops.
 */
static pg_attribute_always_inline void
moments_add_row(const Moments *m, Arm *arm, const double *values, int k)
{
	double *mean = moments_mean(m, arm);
	double *residual = mean + k;
	double *residual_low = residual + k;
	double *comoments = residual_low + k;
	double	u[MOMENTS_METRICS_MAX];
	double	before = (double) arm->n++;
	double	scale;

	if (unlikely(before == 0.0))
	{
		for (int i = 0; i < k; i++)
			mean[i] = values[i];
		return;
	}

	for (int i = 0; i < k; i++)
	{
		double y = values[i] - mean[i];

		u[i] = before * y - residual[i];
		add_exactly(&residual[i], &residual_low[i], y);
	}

	scale = 1.0 / (before * (before + 1.0));
	for (int i = 0; i < k; i++)
	{
		double scaled = u[i] * scale;

		for (int j = 0; j <= i; j++)
			comoments[j] += scaled * u[j];
		comoments += i + 1;
	}
}

/*
 * The same for a diagonal state, in one loop without dependencies, which is
 * compiled for vectors.
 */
static pg_attribute_always_inline void
moments_add_diagonal_row(const Moments *m, Arm *arm, const double *values, int k)
{
	double *restrict mean = moments_mean(m, arm);
	double *restrict residual = mean + k;
	double *restrict residual_low = residual + k;
	double *restrict squares = residual_low + k;
	double before = (double) arm->n++;
	double scale;

	if (unlikely(before == 0.0))
	{
		memcpy(mean, values, k * sizeof(double));
		return;
	}

	scale = 1.0 / (before * (before + 1.0));
	for (int i = 0; i < k; i++)
	{
		double y = values[i] - mean[i];
		double u = before * y - residual[i];

		add_exactly(&residual[i], &residual_low[i], y);
		squares[i] += u * scale * u;
	}
}

extern Moments *moments_create(MomentsShape shape, int metrics, MomentsConstant kind,
							   const void *constant, Size size);
extern Moments *moments_add_arm(Moments *m, const char *label, int len, Arm **arm);
extern void		moments_normalise(const Moments *m, Arm *arm);
extern Moments *moments_merge(Moments *into, const Moments *from);
extern Moments *
moments_with_constant(const Moments *m, MomentsConstant kind, const void *constant, Size size);
extern Moments *
moments_relabel_arms(const Moments *m, const char *const *labels, const int *lengths);
extern Moments *moments_finish(const Moments *m);
extern Moments *moments_select_metrics(const Moments *m, const int *metrics, int count);
extern Moments *moments_project_metrics(const Moments *m, const double *weights);
extern Moments *moments_keep_arms(const Moments *m, const bool *keep);
extern Moments *moments_drop_covariances(const Moments *m);
extern void		moments_need_covariances(const Moments *m);
extern double	moments_quadratic_form(const Moments *m, const Arm *arm, const double *weights);
extern void		moments_check_version(const Moments *m);
extern bool		moments_equal(const Moments *a, const Moments *b);

#endif /* EXPSTAT_MOMENTS_H */
