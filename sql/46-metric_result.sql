-- The metrics of an experiment and their roles, for decide().

CREATE TYPE metric_result AS (
	metric text,
	role text,
	result comparison,
	better text,
	margin float8,
	relative boolean,
	weight float8
);
COMMENT ON TYPE metric_result IS 'the result of a metric and its role in a decision';

CREATE FUNCTION metric_result(
	metric text,
	role text,
	result comparison,
	better text DEFAULT 'higher',
	margin float8 DEFAULT NULL,
	relative boolean DEFAULT false,
	weight float8 DEFAULT 1
) RETURNS metric_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION metric_result(text, text, comparison, text, float8, boolean, float8) IS
'a metric''s result for decide(): role primary, secondary or guardrail; higher or lower is better; the margin by which a guardrail may get worse';

CREATE FUNCTION decide_check(bigint, float8, text, float8, float8, float8, bigint, float8) RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION decide_check(bigint, float8, text, float8, float8, float8, bigint, float8) IS
'checks the arguments of decide()';

CREATE FUNCTION decide_number(float8) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION decide_number(float8) IS 'a number with six digits, as decide() has it in its reasons';

CREATE TYPE decision AS (
	variant text,
	decision text,
	reasons text
);
COMMENT ON TYPE decision IS 'ship, do not ship or keep running a variant, and why';
