-- Chi-square test of independence of variant and category.

CREATE TYPE chi_square_result AS (
	chi2 float8,
	df integer,
	p_value float8,
	n bigint,
	cramers_v float8,
	min_expected float8,
	variants text[],
	categories text[],
	observed bigint[],
	expected float8[]
);
COMMENT ON TYPE chi_square_result IS
'chi-square test that category and variant are independent, and Cramer''s V; arrays have a row per variant and a column per category, in the order of the labels (C collation), or as given';

CREATE FUNCTION chi_square_accum(moments, text, text) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_accum(moments, text, text) IS 'aggregate transition function';

CREATE FUNCTION chi_square_combine(moments, moments) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_combine(moments, moments) IS 'aggregate combine function';

CREATE FUNCTION chi_square_final(moments) RETURNS chi_square_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square_final(moments) IS 'aggregate final function';

CREATE AGGREGATE chi_square(variant text, category text) (
	SFUNC = chi_square_accum, STYPE = moments, SSPACE = 512,
	COMBINEFUNC = chi_square_combine, FINALFUNC = chi_square_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE chi_square(text, text) IS
'chi-square test of independence of a unit''s category and its variant; rows are units';

CREATE FUNCTION chi_square(counts bigint[]) RETURNS chi_square_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION chi_square(bigint[]) IS
'chi-square test of independence of rows (variants) and columns (categories) of a matrix of counts';
