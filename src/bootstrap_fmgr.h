/*
 * bootstrap_fmgr.h
 *		Passing bootstraps through PostgreSQL's function manager.
 */
#ifndef EXPSTAT_BOOTSTRAP_FMGR_H
#define EXPSTAT_BOOTSTRAP_FMGR_H

#include "bootstrap_state.h"

#include "fmgr.h"

/* A stored state may be compressed, out of line, or have a short header. */
static inline Bootstrap *
DatumGetBootstrap(Datum datum)
{
	Bootstrap *b = (Bootstrap *) PG_DETOAST_DATUM(datum);

	bootstrap_check_version(b);
	return b;
}

#define PG_GETARG_BOOTSTRAP(n) DatumGetBootstrap(PG_GETARG_DATUM(n))

#endif /* EXPSTAT_BOOTSTRAP_FMGR_H */
