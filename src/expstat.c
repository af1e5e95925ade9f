/*
 * expstat.c
 *		What happens when the library is loaded.
 */
#include "postgres.h"

#include "fmgr.h"

#include "moments_scan.h"
#include "stats.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static void
report_gsl_error(const char *reason, int gsl_errno)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("a distribution function could not be computed: %s", reason),
			 errdetail("GSL error %d.", gsl_errno)));
}

void
_PG_init(void)
{
	stats_init(report_gsl_error);
	moments_plan_init();
}
