/*
 * heterogeneity.c
 *		The aggregate heterogeneity over the states of segments: is the effect
 *		the same in all of them, and does the total tell the same story?
 */
#include "effects.h"
#include "row.h"
#include "segments.h"

#include <math.h>

#include "miscadmin.h"

PG_FUNCTION_INFO_V1(heterogeneity_final);

/* The effects of all segments, and how many go which way. */
typedef struct SegmentEffects
{
	Effects sums;
	int		positive;
	int		negative;
} SegmentEffects;

static Comparison
compare_means(const Moments *m, const Arm *treatment, const Arm *control)
{
	Estimate t = estimate_mean(m, treatment, 0);
	Estimate c = estimate_mean(m, control, 0);

	check_estimate(&t, "treatment");
	check_estimate(&c, "control");
	return compare_welch(&t, &c, NULL, &default_question, "heterogeneity");
}

static SegmentEffects
segment_effects(const Segments *segments)
{
	SegmentEffects effects = {0};

	for (int i = 0; i < segments->count; i++)
	{
		const Moments *m = segment_state(segments, i);
		Comparison	   c =
			compare_means(m, same_arm(m, segments->treatment), same_arm(m, segments->control.arm));
		double before = effects.sums.left_out;

		CHECK_FOR_INTERRUPTS();
		effects_add(&effects.sums, 0.0, c.diff, c.std_error);
		if (effects.sums.left_out > before)
			continue;
		effects.positive += c.diff > 0.0;
		effects.negative += c.diff < 0.0;
	}
	return effects;
}

Datum
heterogeneity_final(PG_FUNCTION_ARGS)
{
	Segments	   segments = segments_argument(fcinfo);
	SegmentEffects effects;
	Effect		   mean;
	Heterogeneity  test;
	double		   crude;
	Row			   row;

	segments_one_step(&segments,
					  "Give two variants to each call: heterogeneity(moments_filter(m, "
					  "'{control,treatment}')).");
	effects = segment_effects(&segments);
	mean = effects_mean(&effects.sums);
	test = effects_heterogeneity(&effects.sums);
	crude = compare_means(segments.all, segments.treatment, segments.control.arm).diff;

	row_start(&row, fcinfo);
	row_label(&row, segments.treatment);
	row_pointer(&row, segments.control.label);
	row_integer(&row, (int) effects.sums.count);
	row_integer(&row, (int) effects.sums.left_out);
	row_float8(&row, test.q);
	row_integer(&row, test.df);
	row_float8(&row, test.p_value);
	row_float8(&row, test.i_squared);
	row_float8(&row, mean.value);
	row_float8(&row, mean.std_error);
	row_float8(&row, mean.low);
	row_float8(&row, mean.high);
	row_float8(&row, crude);
	row_integer(&row, effects.positive);
	row_integer(&row, effects.negative);
	/* products of signs, not of numbers: those could underflow */
	if (isnan(mean.value) || isnan(crude))
		row_null(&row);
	else
		row_boolean(&row, (mean.value > 0.0 && crude < 0.0) || (mean.value < 0.0 && crude > 0.0));
	return row_end(&row);
}
