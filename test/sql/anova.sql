-- Analysis of variance over all variants of a state.
SET extra_float_digits = -3;
\pset null (null)
CREATE TEMP TABLE plays (variant text, score float8);
INSERT INTO plays VALUES ('A', 6), ('A', 8), ('A', 4), ('A', 5), ('A', 3), ('A', 4),
	('B', 8), ('B', 12), ('B', 9), ('B', 11), ('B', 6), ('B', 8),
	('C', 13), ('C', 9), ('C', 11), ('C', 8), ('C', 7), ('C', 12);
-- By hand: means 5, 9, 10; SS between 84, within 68; F = 42/(68/15) = 9.2647.
SELECT a.* FROM (SELECT moments_agg(score, variant) AS m FROM plays) s, anova(m) a;
SELECT a.* FROM (SELECT moments_agg(score, variant) AS m FROM plays) s, welch_anova(m) a;
-- Two variants: F is Welch's t squared, with the same degrees of freedom.
SELECT a.f / c.statistic ^ 2 AS f, a.df2 / c.df AS df2, a.p_value / c.p_value AS p_value
FROM (SELECT moments_agg(score, variant) AS m FROM plays WHERE variant <> 'C') s, welch_anova(m) a, welch_t(m) c;
-- Another metric of the state.
SELECT a.f FROM (SELECT moments_agg(0, score, variant) AS m FROM plays) s, anova(m, metric => 2) a;
-- What is not defined is NULL: no state, one variant, a variant of one unit, no variance.
SELECT anova(NULL), welch_anova(NULL);
SELECT a.* FROM (SELECT moments_agg(score, variant) AS m FROM plays WHERE variant = 'A') s, anova(m) a;
SELECT a.* FROM (SELECT moments_agg(score, variant) AS m FROM plays WHERE score > 11) s,
	LATERAL (SELECT (anova(m)).* UNION ALL SELECT (welch_anova(m)).*) a;
SELECT a.* FROM (SELECT moments_agg(length(variant), variant) AS m FROM plays) s,
	LATERAL (SELECT (anova(m)).* UNION ALL SELECT (welch_anova(m)).*) a;
-- A variant of one unit counts in anova, but has no variance for welch_anova.
SELECT a.* FROM (SELECT moments_agg(score, variant) AS m FROM plays WHERE variant <> 'C' OR score = 13) s,
	LATERAL (SELECT (anova(m)).* UNION ALL SELECT (welch_anova(m)).*) a;
-- Out of a float8's range: the difference of the means, its square, the sum of squares within.
SELECT a.* FROM (VALUES ('1e308', '-1e308', '1'), ('1e200', '-1e200', '1'), ('1', '2', '1e308')) v (x, y, c),
	format('{"version": 1, "metrics": 1, "variants": {"a": {"n": 9, "mean": [%s], "comoments": [%s]}, "b": {"n": 9, "mean": [%s], "comoments": [%2$s]}}}', x, c, y) s,
	anova(s::moments) a;
SELECT anova(moments_agg(score, variant), 2) FROM plays;
SELECT welch_anova(moments_agg(score, variant), metric => NULL) FROM plays;
