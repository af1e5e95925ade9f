/*
 * bootstrap_state.h
 *		The state of a Poisson bootstrap: per variant and replicate the sums of
 *		weights and of weighted metrics.
 *
 * A state is one flat varlena, which is at once the transition state of the
 * aggregates and the stored value:
 *
 *		Bootstrap header | control label, if given | arm | arm | ...
 *
 * where the numbers of an arm are a BootstrapSums.  All sums are integers, so
 * that they come out the same, to the last bit, in any order of the rows.  For
 * quantiles a state has no metrics, but per arm a ValueTable.
 */
#ifndef EXPSTAT_BOOTSTRAP_STATE_H
#define EXPSTAT_BOOTSTRAP_STATE_H

#include "arms.h"
#include "poisson.h"
#include "value_table.h"

#define BOOTSTRAP_VERSION		 1
#define BOOTSTRAP_METRICS_MAX	 2
#define BOOTSTRAP_REPLICATES_MIN 100
#define BOOTSTRAP_REPLICATES_MAX 10000
#define BOOTSTRAP_REPLICATES	 1000 /* unless told */
#define BOOTSTRAP_SEED			 0

/*
 * A metric's value is a sum of digits in base 2^32, each from -2^31 to 2^31:
 *
 *		y = sum of digit_i * 2^(32 i)
 *
 * which is unique.  An arm sums the three highest digits that its largest value
 * needs, digits top, top - 1 and top - 2, and each digit on its own.  So values
 * are rounded to 2^-62 of the largest magnitude or finer, and which digits are
 * kept depends on the set of the rows, not on their order.
 */
#define BOOTSTRAP_DIGITS  3
#define BOOTSTRAP_TOP_MIN (-34) /* 32 * -34 < -1074 */
#define BOOTSTRAP_TOP_MAX 32

/*
 * Below so many rows, a sum of digits, of weights up to 8, fits 63 bits.
 */
#define BOOTSTRAP_ROWS_MAX INT64CONST(536870911) /* 2^29 - 1 */

typedef struct Bootstrap
{
	int32	 vl_len_; /* varlena header (do not touch directly!) */
	uint8	 version;
	uint8	 metrics; /* 0: a table of values in place of sums */
	uint16	 replicates;
	int64	 seed;
	double	 quantile;	 /* argument of the one-step aggregate, 0 if none */
	int32	 controllen; /* bytes, -1 if no control was given */
	ArmTable arms;
	char	 data[FLEXIBLE_ARRAY_MEMBER];
} Bootstrap;

typedef struct BootstrapRow
{
	uint64 key; /* poisson_key() of the unit */
	double values[BOOTSTRAP_METRICS_MAX];
} BootstrapRow;

/* Sums of one metric in the sample and, elsewhere, in each replicate. */
typedef struct BootstrapMetric
{
	int32 top; /* position of the highest digit */
	int32 padding;
	int64 sample[BOOTSTRAP_DIGITS]; /* sums of the digits, the lowest first */
} BootstrapMetric;

typedef struct BootstrapSums
{
	int64			pending; /* rows that wait to be added, as many at a time is faster */
	BootstrapRow	rows[POISSON_BATCH];
	BootstrapMetric metrics[BOOTSTRAP_METRICS_MAX];
	int64			replicates[FLEXIBLE_ARRAY_MEMBER];
} BootstrapSums;

/* The arrays over replicates are padded to whole blocks. */
static inline int
bootstrap_blocks(const Bootstrap *b)
{
	return (b->replicates + POISSON_BLOCK - 1) / POISSON_BLOCK;
}

static inline int
bootstrap_stride(const Bootstrap *b)
{
	return bootstrap_blocks(b) * POISSON_BLOCK;
}

static inline char *
bootstrap_records(const Bootstrap *b)
{
	return (char *) b->data + TYPEALIGN(8, Max(b->controllen, 0));
}

static inline Arm *
bootstrap_arm(const Bootstrap *b, int i)
{
	return arm_at(&b->arms, bootstrap_records(b), i);
}

static inline BootstrapSums *
bootstrap_sums(const Bootstrap *b, const Arm *arm)
{
	return (BootstrapSums *) arm_numbers(&b->arms, arm);
}

static inline ValueTable *
bootstrap_values(const Bootstrap *b, const Arm *arm)
{
	return (ValueTable *) arm_numbers(&b->arms, arm);
}

/* Per replicate the sum of the weights. */
static inline int64 *
bootstrap_weights(BootstrapSums *sums)
{
	return sums->replicates;
}

/* Per replicate the sum of weight * digit; digit 0 is the lowest. */
static inline int64 *
bootstrap_digits(const Bootstrap *b, BootstrapSums *sums, int metric, int digit)
{
	return sums->replicates + (Size) (1 + metric * BOOTSTRAP_DIGITS + digit) * bootstrap_stride(b);
}

extern Bootstrap *bootstrap_create(int metrics, int replicates, int64 seed, double quantile,
								   const char *control, int controllen);
extern bool		  bootstrap_has_control(const Bootstrap *b, const char *control, int len);
extern Bootstrap *bootstrap_add_arm(Bootstrap *b, const char *label, int len, Arm **arm);
extern Bootstrap *bootstrap_find_arm(Bootstrap *b, const char *label, int len, Arm **arm);
extern void		  bootstrap_add_value(const Bootstrap *b, Arm *arm, double value);
extern void		  bootstrap_add_row(const Bootstrap *b, Arm *arm, uint64 key, const double *values);
extern Bootstrap *bootstrap_merge(Bootstrap *into, const Bootstrap *from);
extern Bootstrap *bootstrap_finish(const Bootstrap *b);
extern void		  bootstrap_check_version(const Bootstrap *b);

#endif /* EXPSTAT_BOOTSTRAP_STATE_H */
