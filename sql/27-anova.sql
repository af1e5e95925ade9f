-- Analysis of variance over all arms.

CREATE TYPE anova_result AS (
	f float8,
	df1 float8,
	df2 float8,
	p_value float8,
	k integer,
	n bigint,
	ss_between float8,
	ss_within float8,
	eta_squared float8,
	method text
);
COMMENT ON TYPE anova_result IS
'test that the k variants of a state have the same mean; sums of squares between and within variants, and the share of the former';

CREATE FUNCTION anova(m moments, metric integer DEFAULT 1) RETURNS anova_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION anova(moments, integer) IS
'one-way analysis of variance of a metric over all variants, which have one variance';

CREATE FUNCTION welch_anova(m moments, metric integer DEFAULT 1) RETURNS anova_result
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION welch_anova(moments, integer) IS
'Welch''s analysis of variance of a metric over all variants, whose variances may differ';
