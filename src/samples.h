/*
 * samples.h
 *		The transition state of aggregates that need their rows in order: the
 *		values of each variant in a tuplesort of PostgreSQL's, which goes to
 *		temporary files when work_mem is full.
 */
#ifndef EXPSTAT_SAMPLES_H
#define EXPSTAT_SAMPLES_H

#include "arms.h"

#include "arguments.h"
#include "utils/tuplesort.h"

#define SAMPLES_MAX			 2 /* a one-step comparison has two variants */
#define SAMPLE_CONSTANTS_MAX 2

typedef struct Sample
{
	int64			n;
	text		   *label;
	Tuplesortstate *values;
	Tuplesortstate *units;	/* the values by the unit they belong to; NULL if not asked for */
	bool			sorted; /* both of them */
	double			value;	/* read last */
} Sample;

/* An argument of an ordinary aggregate beyond metric and variant. */
typedef struct SampleConstant
{
	Datum value;
	bool  isnull;
	int16 length;
	bool  byvalue;
} SampleConstant;

typedef struct Samples
{
	MemoryContext  context;
	int			   count;
	Sample		   samples[SAMPLES_MAX];
	int			   constants;
	SampleConstant constant[SAMPLE_CONSTANTS_MAX];
} Samples;

/* The two samples of a comparison; NULL for one without values. */
typedef struct SamplePair
{
	Sample *treatment;
	Sample *control;
	text   *label; /* of the control, if known */
} SamplePair;

/* A value wanted by its 1-based rank, and where to put it. */
typedef struct OrderStatistic
{
	int64	rank;
	double *place;
} OrderStatistic;

/* In final functions; both take the number of a constant, from 0. */
extern bool		  sample_constant(FunctionCallInfo fcinfo, int number, Datum *value);
extern SamplePair sample_pair(FunctionCallInfo fcinfo, int control);

static inline Samples *
samples_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) ? NULL : (Samples *) PG_GETARG_POINTER(0);
}

/* Reading a sample: from its start, in ascending order. */
extern void sample_start(Sample *sample);
extern void sample_skip(Sample *sample, int64 count);
extern bool sample_next(Sample *sample);
extern void sample_order_statistics(Sample *sample, OrderStatistic *wanted, int count);
extern bool sample_next_of_unit(Sample *sample, uint64 *unit, double *value);

#endif /* EXPSTAT_SAMPLES_H */
