/*
 * moments_fmgr.h
 *		Passing moments through PostgreSQL's function manager.
 */
#ifndef EXPSTAT_MOMENTS_FMGR_H
#define EXPSTAT_MOMENTS_FMGR_H

#include "moments.h"

#include "fmgr.h"

/*
 * A stored state may be compressed, out of line, or have a short header that
 * leaves it unaligned; detoasting returns the state itself if it is none of
 * these.
 */
static inline Moments *
DatumGetMoments(Datum datum)
{
	Moments *m = (Moments *) PG_DETOAST_DATUM(datum);

	moments_check_version(m);
	return m;
}

/* A copy, which the caller may change. */
static inline Moments *
DatumGetMomentsCopy(Datum datum)
{
	Moments *m = (Moments *) PG_DETOAST_DATUM_COPY(datum);

	moments_check_version(m);
	return m;
}

#define PG_GETARG_MOMENTS(n)	  DatumGetMoments(PG_GETARG_DATUM(n))
#define PG_GETARG_MOMENTS_COPY(n) DatumGetMomentsCopy(PG_GETARG_DATUM(n))

#endif /* EXPSTAT_MOMENTS_FMGR_H */
