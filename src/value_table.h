/*
 * value_table.h
 *		How often which values occur, in bounded space, for quantiles.
 *
 * A table holds up to 4096 different values and their counts.  While the values
 * of an arm are that few, as counts of events, prices or milliseconds often are,
 * it is exact.  Beyond, all values are rounded down to fewer bits, to as many
 * as leave at most 4096 different ones.  How many that are depends on the set of
 * the values, not on their order: dropping a bit of a value does not depend on
 * the other values, and more values never leave room for more bits.
 */
#ifndef EXPSTAT_VALUE_TABLE_H
#define EXPSTAT_VALUE_TABLE_H

#include "postgres.h"

#define VALUES_MAX	   4096 /* of sign and exponent alone there are as many */
#define VALUES_WAITING 1024
#define VALUE_BITS_MAX 52 /* bits dropped */

typedef struct ValueTable
{
	int32  dropped; /* low bits of the keys that are 0 */
	int32  distinct;
	int64  waiting;			 /* values that are not in the table yet */
	uint64 keys[VALUES_MAX]; /* ascending; see key_of_value() */
	int64  counts[VALUES_MAX];
	uint64 added[VALUES_WAITING];
} ValueTable;

extern bool	  is_value_key(uint64 key, int dropped);
extern void	  value_table_add(ValueTable *table, double value);
extern void	  value_table_settle(ValueTable *table);
extern void	  value_table_merge(ValueTable *table, const ValueTable *from);
extern double value_table_at(const ValueTable *table, const int64 *ends, int64 rank);

#endif /* EXPSTAT_VALUE_TABLE_H */
