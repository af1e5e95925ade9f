/*
 * resampled.h
 *		From the sums of a bootstrap to estimates and their replicates, and from
 *		these to a comparison.
 */
#ifndef EXPSTAT_RESAMPLED_H
#define EXPSTAT_RESAMPLED_H

#include "bootstrap_state.h"
#include "compare.h"

typedef enum BootstrapMethod
{
	BOOTSTRAP_PERCENTILE,
	BOOTSTRAP_BCA
} BootstrapMethod;

/*
 * An estimate of one arm, and its replicates; pfree(deviation) frees all.  An undefined number is NaN here
 * and NULL in SQL.  `low` is the part of the value that rounding to float8 loses.
 */
typedef struct Resampled
{
	int64	n;
	double	value;
	double	low;
	double	rounding;  /* replicates that differ by less may be equal */
	double *deviation; /* per replicate: its value minus that of the sample */
	double *linear;	   /* the part of it that is linear in the weights */
} Resampled;

extern Resampled resample_mean(const Bootstrap *b, const Arm *arm, int metric);
extern Resampled resample_ratio(const Bootstrap *b, const Arm *arm, int num, int den);
extern Resampled resample_quantile(const Bootstrap *b, const Arm *arm, double p);
extern Comparison
compare_resampled(const Resampled *treatment, const Resampled *control, int replicates,
				  const Question *question, BootstrapMethod method, const char *name);

#endif /* EXPSTAT_RESAMPLED_H */
