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
 *		mean[k], mean_low[k], comoments[k(k+1)/2]
 *
 * The mean is the unevaluated sum mean + mean_low.  While rows are added,
 * mean stays the arm's first row and mean_low is the running mean of what the
 * rows differ from it by: a metric of mean 1e12 and variance 1 then loses
 * nothing to rounding, and two arms' means can be subtracted exactly.  A
 * finished state has the pair normalised: mean is the sum rounded to float8,
 * mean_low what the rounding lost.
 *
 * comoments is the lower triangle of the sums of products of deviations from
 * the mean, packed by rows: C11, C21, C22, C31, ...
 */
#ifndef EXPSTAT_MOMENTS_H
#define EXPSTAT_MOMENTS_H

#include "arms.h"

#define MOMENTS_VERSION		1
#define MOMENTS_METRICS_MAX 64

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
	int32	 vl_len_; /* varlena header (do not touch directly!) */
	uint8	 version;
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
moments_mean_low(const Moments *m, const Arm *arm)
{
	return moments_mean(m, arm) + m->metrics;
}

static inline double *
moments_comoments(const Moments *m, const Arm *arm)
{
	return moments_mean(m, arm) + 2 * m->metrics;
}

static inline int
moments_find(const Moments *m, const char *label, int len)
{
	return arms_find(&m->arms, moments_records(m), label, len);
}

static inline bool
moments_has_constant(const Moments *m, MomentsConstant kind, const void *constant, Size size)
{
	return m->constantkind == kind && m->constantsize == size &&
		(size == 0 || memcmp(m->data, constant, size) == 0);
}

/*
 * Add one unit to an arm.
 *
 * With d = x - mean before the update (Welford 1962; for products Bennett et
 * al. 2009, eq. 3.3):
 *
 *		mean'  = mean + d / n
 *		C'_ij  = C_ij + d_i d_j (n - 1) / n
 *
 * Every term added to a variance is positive and of the size of the data's
 * own spread, so nothing cancels; differences are taken from the arm's first
 * row, so a large common offset costs no digits either.
 *
 * This runs for every row of a table: it is inline, and k, the state's number
 * of metrics, is an argument, so that a constant k leaves no loops.
 */
static pg_attribute_always_inline void
moments_add_row(const Moments *m, Arm *arm, const double *values, int k)
{
	double *mean = moments_mean(m, arm);
	double *mean_low = mean + k;
	double *comoments = mean_low + k;
	double	delta[MOMENTS_METRICS_MAX];
	double	n = (double) ++arm->n;
	double	shrink = (n - 1.0) / n;

	if (unlikely(arm->n == 1))
	{
		for (int i = 0; i < k; i++)
			mean[i] = values[i];
		return;
	}

	for (int i = 0; i < k; i++)
	{
		delta[i] = (values[i] - mean[i]) - mean_low[i];
		mean_low[i] += delta[i] / n;
	}

	for (int i = 0; i < k; i++)
	{
		double scaled = delta[i] * shrink;

		for (int j = 0; j <= i; j++)
			comoments[j] += scaled * delta[j];
		comoments += i + 1;
	}
}

extern Moments *moments_create(int metrics, MomentsConstant kind, const void *constant, Size size);
extern Moments *moments_add_arm(Moments *m, const char *label, int len, Arm **arm);
extern void moments_set_mean(const Moments *m, Arm *arm, int metric, double mean, double mean_low);
extern Moments *moments_merge(Moments *into, const Moments *from);
extern Moments *moments_finish(const Moments *m);
extern Moments *moments_select_metrics(const Moments *m, const int *metrics, int count);
extern Moments *moments_project_metrics(const Moments *m, const double *weights);
extern Moments *moments_keep_arms(const Moments *m, const bool *keep);
extern double	moments_quadratic_form(const Moments *m, const Arm *arm, const double *weights);
extern void		moments_check_version(const Moments *m);
extern bool		moments_equal(const Moments *a, const Moments *b);

#endif /* EXPSTAT_MOMENTS_H */
