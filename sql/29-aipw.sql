-- The effect of a treatment that was not randomised.

CREATE TYPE aipw_result AS (
	n bigint,
	n_control bigint,
	estimate float8,
	estimate_control float8,
	diff float8,
	std_error float8,
	statistic float8,
	p_value float8,
	diff_low float8,
	diff_high float8,
	lift float8,
	lift_low float8,
	lift_high float8,
	alpha float8,
	min_propensity float8,
	max_propensity float8,
	share_outside float8,
	ess float8,
	ess_control float8,
	covariates integer,
	note text
);
COMMENT ON TYPE aipw_result IS
'doubly robust average effect of a treatment, as in comparison, and how far treated and untreated units overlap: range of the propensity, share of units outside [0.05, 0.95], effective sample sizes; note says why there is no effect';

CREATE FUNCTION aipw_accum(internal, float8, boolean, float8[]) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION aipw_accum(internal, float8, boolean, float8[]) IS 'aggregate transition function';

CREATE FUNCTION aipw_final(internal) RETURNS aipw_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION aipw_final(internal) IS 'aggregate final function';

-- All rows of a group, up to work_mem: SSPACE keeps the planner from hashing
-- many groups at a time.
CREATE AGGREGATE aipw(y float8, treated boolean, x float8[]) (
	SFUNC = aipw_accum, STYPE = internal, SSPACE = 1048576,
	FINALFUNC = aipw_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE aipw(float8, boolean, float8[]) IS
'average effect of a treatment that was not randomised, adjusted for covariates by models of the outcome and of the propensity (doubly robust); rows are units';
