/*
 * row_filter.h
 *		The simplest conditions of a WHERE, without the executor.
 */
#ifndef EXPSTAT_ROW_FILTER_H
#define EXPSTAT_ROW_FILTER_H

#include "columns.h"

#include "nodes/pg_list.h"

typedef struct RowCondition
{
	int	   column;
	int	   strategy; /* of a btree: less, less or equal, equal, greater or equal, greater */
	int64  integer;
	double number;
	text  *label;
} RowCondition;

typedef struct RowFilter
{
	int			  count;
	RowCondition *condition;
	bool		  complete; /* nothing of the WHERE is missing */
} RowFilter;

extern void row_filter_init(RowFilter *filter, List *quals, Columns *columns);
extern bool row_filter_passes(const RowFilter *filter, const Columns *columns, const Row *row);

#endif /* EXPSTAT_ROW_FILTER_H */
