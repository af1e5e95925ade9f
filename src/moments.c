/*
 * moments.c
 *		Building, merging and transforming moments states.
 */
#include "moments.h"

#include <math.h>

/* An empty state with room for so many arms, and for labels of so many bytes. */
static Moments *
moments_allocate(MomentsShape shape, int metrics, MomentsConstant kind, const void *constant,
				 Size constantsize, int capacity, int labelroom)
{
	ArmTable arms = {0};
	Moments *m;
	Size	 size;

	if (metrics < 2)
		shape = MOMENTS_FULL;
	arms.capacity = capacity;
	arms.labelroom = labelroom;
	arms.numbers = 3 * metrics + comoments_size(shape, metrics);
	arms.size = ARM_HEADER_SIZE + labelroom + arms.numbers * sizeof(double);

	size = MOMENTS_HEADER_SIZE + TYPEALIGN(8, constantsize) + (Size) capacity * arms.size;
	m = palloc0(size);
	SET_VARSIZE(m, size);
	m->shape = shape;
	m->constantkind = kind;
	m->constantsize = constantsize;
	m->metrics = metrics;
	m->arms = arms;
	if (constantsize > 0)
		memcpy(m->data, constant, constantsize);
	return m;
}

/* A state without arms, with room for the two that most experiments have. */
Moments *
moments_create(MomentsShape shape, int metrics, MomentsConstant kind, const void *constant,
			   Size size)
{
	return moments_allocate(shape, metrics, kind, constant, size, 2, ARM_LABEL_ROOM_MIN);
}

/* Append an arm; the caller goes through the arms in their order. */
static Arm *
moments_append(Moments *m, const Arm *like)
{
	Arm *arm = moments_arm(m, m->arms.count++);

	arm->n = like->n;
	arm->key = like->key;
	arm->labellen = like->labellen;
	memcpy(arm->label, like->label, arm_label_length(like));
	return arm;
}

static void
moments_append_copy(Moments *to, const Moments *from, const Arm *arm)
{
	memcpy(moments_mean(to, moments_append(to, arm)), moments_mean(from, arm),
		   from->arms.numbers * sizeof(double));
}

/* Copy all arms into an empty state that has room for them. */
static void
moments_copy_arms(Moments *to, const Moments *from)
{
	for (int i = 0; i < from->arms.count; i++)
		moments_append_copy(to, from, moments_arm(from, i));
}

/* A copy that carries a constant argument. */
Moments *
moments_with_constant(const Moments *m, MomentsConstant kind, const void *constant, Size size)
{
	Moments *copy = moments_allocate(m->shape, m->metrics, kind, constant, size, m->arms.count,
									 m->arms.labelroom);

	moments_copy_arms(copy, m);
	return copy;
}

/* A copy with more room. */
static Moments *
moments_grow(const Moments *m, int capacity, int labelroom)
{
	Moments *copy = moments_allocate(m->shape, m->metrics, m->constantkind, m->data,
									 m->constantsize, capacity, labelroom);

	moments_copy_arms(copy, m);
	return copy;
}

/*
 * Add an arm that is not there yet, and return the state: the same one, or a
 * larger copy in the current memory context.  The old one is never freed: it
 * may be the live state of an aggregate, which the executor frees itself.
 */
Moments *
moments_add_arm(Moments *m, const char *label, int len, Arm **arm)
{
	arm_label_check(label, len);
	if (m->arms.count >= ARMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("more than %d variants", ARMS_MAX),
				 errdetail("The next one is \"%.*s\".", len, label),
				 errhint("The variant argument is the arm of the experiment, such as 'control'; a "
						 "unit id may have been passed in its place.")));

	if (m->arms.count == m->arms.capacity || len > m->arms.labelroom)
	{
		int capacity = m->arms.capacity;

		if (m->arms.count == capacity)
			capacity = Min(Max(2 * capacity, 2), ARMS_MAX);
		m = moments_grow(m, capacity, Max(m->arms.labelroom, arm_label_room(len)));
	}
	*arm = arms_insert(&m->arms, moments_records(m), label, len);
	return m;
}

/*
 * Move one mean to where it belongs, the residual taking up what rounding it
 * loses.  A second step takes up the rounding of the first, seldom a third that
 * of the second; a mean that is in its place stays there, to the last bit.
 */
static void
normalise_mean(double *mean, double *residual, double n)
{
	for (int step = 0; step < 3; step++)
	{
		double distance = *residual / n;
		double moved = *mean;
		double lost = 0.0;

		add_exactly(&moved, &lost, distance);
		if (moved == *mean)
			return;
		*mean = moved;
		*residual = lost * n + fma(-distance, n, *residual);
	}
}

/* Bring an arm's means into their canonical form. */
void
moments_normalise(const Moments *m, Arm *arm)
{
	for (int i = 0; i < m->metrics; i++)
	{
		moments_residual(m, arm)[i] += moments_residual_low(m, arm)[i];
		moments_residual_low(m, arm)[i] = 0.0;
		normalise_mean(&moments_mean(m, arm)[i], &moments_residual(m, arm)[i], (double) arm->n);
	}
}

/*
 * Merge the arm `from` into `into`, both of the same metrics.
 *
 * With d = mean_b - mean_a (Chan, Golub and LeVeque 1979, eq. 2.1, for
 * products):
 *
 *		C_ij = C_ij,a + C_ij,b + d_i d_j n_a n_b / (n_a + n_b)
 *
 * and the residuals of b taken from the mean of a.
 */
static void
moments_merge_arm(const Moments *m, Arm *into, const Moments *other, const Arm *from)
{
	int			  k = m->metrics;
	double		 *comoments = moments_comoments(m, into);
	const double *other_comoments = moments_comoments(other, from);
	double		  delta[MOMENTS_DIAGONAL_MAX];
	double		  na = (double) into->n;
	double		  nb = (double) from->n;
	double		  factor = na / (na + nb) * nb;

	for (int i = 0; i < k; i++)
	{
		double *residual = &moments_residual(m, into)[i];
		double *residual_low = &moments_residual_low(m, into)[i];
		double	other_residual = moments_residual(other, from)[i];
		double	shift = moments_mean(other, from)[i];
		double	shift_low = 0.0;
		double	shifted;

		add_exactly(&shift, &shift_low, -moments_mean(m, into)[i]);
		delta[i] = shift + (shift_low + other_residual / nb - *residual / na);

		shifted = nb * shift;
		add_exactly(residual, residual_low, shifted);
		add_exactly(residual, residual_low, other_residual);
		*residual_low +=
			fma(nb, shift, -shifted) + nb * shift_low + moments_residual_low(other, from)[i];
	}

	for (int i = 0; i < k && m->shape == MOMENTS_DIAGONAL; i++)
		comoments[i] += other_comoments[i] + factor * delta[i] * delta[i];
	for (int i = 0; i < k && m->shape == MOMENTS_FULL; i++)
	{
		double scaled = factor * delta[i];

		for (int j = 0; j <= i; j++)
			comoments[j] += other_comoments[j] + scaled * delta[j];
		comoments += i + 1;
		other_comoments += i + 1;
	}
	into->n += from->n;
	if (into->n > MOMENTS_UNITS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("variant \"%.*s\" has too many units: " INT64_FORMAT,
						arm_label_length(into), into->label, into->n)));
}

static void
check_can_merge(const Moments *a, const Moments *b)
{
	if (a->metrics != b->metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("states of different numbers of metrics cannot be merged: %d and %d",
						a->metrics, b->metrics),
				 errhint("Merge states of the same metrics; moments_select() picks metrics out of "
						 "a larger state.")));

	if (a->shape != b->shape)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("states with and without covariances cannot be merged"),
				 errhint("moments_diagonal() drops the covariances of a state that has them, such "
						 "as moments_agg() gathers.")));

	if (!moments_has_constant(b, a->constantkind, a->data, a->constantsize))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("states with different %s arguments cannot be merged",
						Max(a->constantkind, b->constantkind) == MOMENTS_WEIGHTS ? "weights"
																				 : "control"),
				 errhint("The argument must be the same constant in every row of a group.")));
}

/* Merge an arm into the arm of that label, which may be new; the state may move. */
static Moments *
moments_merge_as(Moments *into, const char *label, int len, const Moments *from, const Arm *arm)
{
	int	 position = moments_find(into, label, len);
	Arm *own;

	if (position >= 0)
	{
		moments_merge_arm(into, moments_arm(into, position), from, arm);
		return into;
	}
	into = moments_add_arm(into, label, len, &own);
	own->n = arm->n;
	memcpy(moments_mean(into, own), moments_mean(from, arm), from->arms.numbers * sizeof(double));
	return into;
}

/*
 * Merge `from` into `into`, in place where there is room, and return the
 * state.  The units of the two must be disjoint.
 */
Moments *
moments_merge(Moments *into, const Moments *from)
{
	check_can_merge(into, from);
	for (int i = 0; i < from->arms.count; i++)
	{
		const Arm *arm = moments_arm(from, i);

		into = moments_merge_as(into, arm->label, arm_label_length(arm), from, arm);
	}
	return into;
}

/* The arms under other labels; those that get the same one are merged. */
Moments *
moments_relabel_arms(const Moments *m, const char *const *labels, const int *lengths)
{
	Moments *result = moments_create(m->shape, m->metrics, MOMENTS_NO_CONSTANT, NULL, 0);

	for (int i = 0; i < m->arms.count; i++)
		result = moments_merge_as(result, labels[i], lengths[i], m, moments_arm(m, i));
	return moments_finish(result);
}

static void
check_no_overflow(const Moments *m, const Arm *arm)
{
	const double *numbers = moments_mean(m, arm);

	for (int i = 0; i < m->arms.numbers; i++)
	{
		if (!isfinite(numbers[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the moments of variant \"%.*s\" are out of range for double precision",
							arm_label_length(arm), arm->label),
					 errhint("The squares of the metric's deviations overflow; express the metric "
							 "in a larger unit.")));
	}
}

/*
 * The finished form of a state: a copy that shares nothing with it, as small
 * as can be, without the constant argument, its means normalised, its numbers
 * known to be finite.
 */
Moments *
moments_finish(const Moments *m)
{
	int		 labelroom = ARM_LABEL_ROOM_MIN;
	Moments *copy;

	for (int i = 0; i < m->arms.count; i++)
		labelroom = Max(labelroom, arm_label_room(arm_label_length(moments_arm(m, i))));

	copy = moments_allocate(m->shape, m->metrics, MOMENTS_NO_CONSTANT, NULL, 0, m->arms.count,
							labelroom);
	moments_copy_arms(copy, m);
	for (int i = 0; i < copy->arms.count; i++)
	{
		Arm *arm = moments_arm(copy, i);

		moments_normalise(copy, arm);
		check_no_overflow(copy, arm);
	}
	return copy;
}

/* The co-moments of some metrics; of a diagonal state one may be left, which is full. */
static void
copy_comoments(const Moments *result, const Arm *to, const Moments *m, const Arm *from,
			   const int *metrics)
{
	double *comoments = moments_comoments(result, to);

	for (int i = 0; i < result->metrics; i++)
	{
		if (m->shape == MOMENTS_DIAGONAL)
			comoments[i] = moments_squares(m, from, metrics[i]);
		for (int j = 0; j <= i && m->shape == MOMENTS_FULL; j++)
			comoments[packed_index(i, j)] =
				moments_comoments(m, from)[packed_index(metrics[i], metrics[j])];
	}
}

/* The state of the metrics at the given positions (0-based). */
Moments *
moments_select_metrics(const Moments *m, const int *metrics, int count)
{
	Moments *result = moments_allocate(m->shape, count, MOMENTS_NO_CONSTANT, NULL, 0, m->arms.count,
									   m->arms.labelroom);

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *from = moments_arm(m, a);
		Arm		  *to = moments_append(result, from);

		for (int i = 0; i < count; i++)
		{
			moments_mean(result, to)[i] = moments_mean(m, from)[metrics[i]];
			moments_residual(result, to)[i] = moments_residual(m, from)[metrics[i]];
		}
		copy_comoments(result, to, m, from, metrics);
	}
	return result;
}

/* The state without its covariances. */
Moments *
moments_drop_covariances(const Moments *m)
{
	Moments *result = moments_allocate(MOMENTS_DIAGONAL, m->metrics, MOMENTS_NO_CONSTANT, NULL, 0,
									   m->arms.count, m->arms.labelroom);

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *from = moments_arm(m, a);
		Arm		  *to = moments_append(result, from);

		memcpy(moments_mean(result, to), moments_mean(m, from), 3 * m->metrics * sizeof(double));
		for (int i = 0; i < m->metrics; i++)
			moments_comoments(result, to)[i] = moments_squares(m, from, i);
	}
	return result;
}

/* Refuse a state that cannot say how its metrics vary together. */
void
moments_need_covariances(const Moments *m)
{
	if (m->shape == MOMENTS_DIAGONAL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the moments have no covariances, which ratios, covariates and compound "
						"metrics need"),
				 errhint("Gather these metrics with moments_agg(ARRAY[...], variant); "
						 "moments_diagonal_agg() keeps means and variances only.")));
}

/* The state of the arms marked in keep[]. */
Moments *
moments_keep_arms(const Moments *m, const bool *keep)
{
	Moments *result = moments_allocate(m->shape, m->metrics, MOMENTS_NO_CONSTANT, NULL, 0,
									   m->arms.count, m->arms.labelroom);

	for (int i = 0; i < m->arms.count; i++)
	{
		if (keep[i])
			moments_append_copy(result, m, moments_arm(m, i));
	}
	return result;
}

/*
 * sum w_i mean_i with the rounding errors of the products and sums kept
 * (Ogita, Rump and Oishi 2005, algorithm 5.3, "Dot2").
 */
static void
set_projected_mean(const Moments *m, const Arm *from, const double *weights, const Moments *result,
				   Arm *to)
{
	double sum = 0.0;
	double low = 0.0;
	double residual = 0.0;

	for (int i = 0; i < m->metrics; i++)
	{
		double mean = moments_mean(m, from)[i];
		double product = weights[i] * mean;

		add_exactly(&sum, &low, product);
		low += fma(weights[i], mean, -product);
		residual += weights[i] * moments_residual(m, from)[i];
	}
	moments_mean(result, to)[0] = sum;
	moments_residual(result, to)[0] = residual + low * (double) to->n;
	moments_normalise(result, to);
}

/* w' C w for a w of one metric. */
static double
scaled_squares(const Moments *m, const Arm *arm, const double *weights)
{
	double sum = 0.0;

	for (int i = 0; i < m->metrics; i++)
		sum += weights[i] * weights[i] * moments_squares(m, arm, i);
	return sum;
}

static bool
is_of_one_metric(const double *weights, int metrics)
{
	int count = 0;

	for (int i = 0; i < metrics; i++)
		count += weights[i] != 0.0;
	return count < 2;
}

/*
 * w' C w, the sum of squared deviations of the linear combination w; rounding
 * must not make it negative (a NaN, from an overflow, stays one).
 */
double
moments_quadratic_form(const Moments *m, const Arm *arm, const double *weights)
{
	const double *comoments = moments_comoments(m, arm);
	double		  sum = 0.0;

	if (is_of_one_metric(weights, m->metrics))
		return scaled_squares(m, arm, weights);

	moments_need_covariances(m);
	for (int i = 0; i < m->metrics; i++)
	{
		/* Most questions are about one metric or two out of many. */
		if (weights[i] != 0.0)
		{
			for (int j = 0; j < i; j++)
				sum += 2.0 * weights[i] * weights[j] * comoments[j];
			sum += weights[i] * weights[i] * comoments[i];
		}
		comoments += i + 1;
	}
	return sum < 0.0 ? 0.0 : sum;
}

/* The state of one metric, the linear combination sum w_i y_i of each unit's. */
Moments *
moments_project_metrics(const Moments *m, const double *weights)
{
	Moments *result = moments_allocate(MOMENTS_FULL, 1, MOMENTS_NO_CONSTANT, NULL, 0, m->arms.count,
									   m->arms.labelroom);

	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *from = moments_arm(m, a);
		Arm		  *to = moments_append(result, from);

		set_projected_mean(m, from, weights, result, to);
		moments_comoments(result, to)[0] = moments_quadratic_form(m, from, weights);
		check_no_overflow(result, to);
	}
	return result;
}

/* Refuse a stored state written by a version of expstat that this one cannot read. */
void
moments_check_version(const Moments *m)
{
	if (VARSIZE(m) < MOMENTS_HEADER_SIZE ||
		(m->shape != MOMENTS_FULL && m->shape != MOMENTS_DIAGONAL))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg(
				 "moments value has format version %d, which this version of expstat cannot read",
				 VARSIZE(m) < MOMENTS_HEADER_SIZE ? 0 : m->shape),
			 errhint(
				 "Upgrade expstat with ALTER EXTENSION expstat UPDATE and restart the session.")));
}

/* The same metrics, constant, arms and numbers; room left over does not count. */
bool
moments_equal(const Moments *a, const Moments *b)
{
	if (a->shape != b->shape || a->metrics != b->metrics || a->arms.count != b->arms.count ||
		!moments_has_constant(b, a->constantkind, a->data, a->constantsize))
		return false;

	for (int i = 0; i < a->arms.count; i++)
	{
		const Arm *x = moments_arm(a, i);
		const Arm *y = moments_arm(b, i);

		if (x->n != y->n ||
			arm_label_compare(x->label, arm_label_length(x), y->label, arm_label_length(y)) != 0)
			return false;
		for (int j = 0; j < a->arms.numbers; j++)
		{
			if (moments_mean(a, x)[j] != moments_mean(b, y)[j])
				return false;
		}
	}
	return true;
}
