/*
 * segments.h
 *		Aggregates over a state per segment: strata, countries, days.
 *
 * Their state is the array of these states, for which segments count, and with
 * what weight, is known only at the end.  The control label travels in each.
 */
#ifndef EXPSTAT_SEGMENTS_H
#define EXPSTAT_SEGMENTS_H

#include "comparison_rows.h"

typedef struct Segments
{
	Datum		  *states;
	int			   count;
	int			   metric; /* the one that is asked about */
	const Moments *all;	   /* merged */
	Control		   control;
	const Arm	  *treatment; /* both in `all`; NULL without units */
} Segments;

/* The states in the array that is argument 0, and what they are together. */
extern Segments segments_argument(FunctionCallInfo fcinfo);

/*
 * For the final function of a one-step aggregate: the first metric, its two
 * arms.  The hint is for those who have more.
 */
extern void segments_one_step(Segments *segments, const char *hint);

/* The state of a segment. */
static inline const Moments *
segment_state(const Segments *segments, int i)
{
	return DatumGetMoments(segments->states[i]);
}

/* The arm of a state with the label of another state's arm; NULL if none. */
extern const Arm *same_arm(const Moments *m, const Arm *arm);

#endif /* EXPSTAT_SEGMENTS_H */
