-- The effect by segment and by day: does it differ, does it fade?

CREATE TYPE heterogeneity_result AS (
	variant text,
	control text,
	segments integer,
	left_out integer,
	q float8,
	df integer,
	p_value float8,
	i_squared float8,
	diff float8,
	std_error float8,
	diff_low float8,
	diff_high float8,
	crude_diff float8,
	positive integer,
	negative integer,
	simpson boolean
);
COMMENT ON TYPE heterogeneity_result IS
'test that a treatment''s effect is the same in all segments (Cochran''s Q), the effect pooled over them, and whether the total, which mixes them, has the other sign (Simpson''s paradox)';

CREATE FUNCTION heterogeneity_final(moments[]) RETURNS heterogeneity_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION heterogeneity_final(moments[]) IS 'aggregate final function';

CREATE AGGREGATE heterogeneity(m moments) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = heterogeneity_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE heterogeneity(moments) IS
'does the difference of means between two variants depend on the segment? rows are the states of the segments';

CREATE AGGREGATE heterogeneity(m moments, control text) (
	SFUNC = strata_accum, STYPE = moments[], SSPACE = 4096,
	COMBINEFUNC = strata_combine, FINALFUNC = heterogeneity_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE heterogeneity(moments, text) IS
'does the difference of means between two variants depend on the segment, the control named? rows are the states of the segments';

CREATE TYPE novelty_result AS (
	days integer,
	left_out integer,
	slope float8,
	std_error float8,
	statistic float8,
	p_value float8,
	slope_low float8,
	slope_high float8,
	first_day float8,
	last_day float8,
	effect_first float8,
	effect_last float8
);
COMMENT ON TYPE novelty_result IS
'trend of an effect over days: how much it changes per day, and what it is on the line at the first and the last';

CREATE FUNCTION novelty_accum(float8[], float8, float8, float8) RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_accum(float8[], float8, float8, float8) IS 'aggregate transition function';

CREATE FUNCTION novelty_combine(float8[], float8[]) RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_combine(float8[], float8[]) IS 'aggregate combine function';

CREATE FUNCTION novelty_final(float8[]) RETURNS novelty_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION novelty_final(float8[]) IS 'aggregate final function';

CREATE AGGREGATE novelty(day float8, effect float8, std_error float8) (
	SFUNC = novelty_accum, STYPE = float8[], SSPACE = 128,
	COMBINEFUNC = novelty_combine, FINALFUNC = novelty_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE novelty(float8, float8, float8) IS
'does an effect fade or grow with the days since exposure? rows are days, with the effect and its standard error';
