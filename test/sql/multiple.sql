-- Adjusted p-values.  The 15 p-values of Benjamini and Hochberg (1995), section
-- 3.2: at 0.05 Bonferroni and Holm reject 3, Hochberg 3, BH 4.
CREATE TEMP TABLE tests AS
	SELECT * FROM unnest(ARRAY[0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
		0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]::float8[]) WITH ORDINALITY t (p, i);
SELECT p, p_adjust(p, 'bonferroni') OVER () AS bonferroni, p_adjust(p, 'holm') OVER () AS holm,
	p_adjust(p, 'hochberg') OVER () AS hochberg, round((p_adjust(p, 'bh') OVER ())::numeric, 5) AS bh,
	round((p_adjust(p, 'by') OVER ())::numeric, 5) AS by
FROM tests ORDER BY i;
SELECT count(*) FILTER (WHERE bonferroni <= 0.05) AS bonferroni, count(*) FILTER (WHERE holm <= 0.05) AS holm,
	count(*) FILTER (WHERE hochberg <= 0.05) AS hochberg, count(*) FILTER (WHERE bh <= 0.05) AS bh
FROM (SELECT p_adjust(p, 'bonferroni') OVER () AS bonferroni, p_adjust(p, 'holm') OVER () AS holm,
	p_adjust(p, 'hochberg') OVER () AS hochberg, p_adjust(p, 'bh') OVER () AS bh FROM tests) a;

-- Over the partition, whatever the frame; NULL is not counted; arrays the same.
SELECT i % 2 AS part, p, p_adjust(p, 'holm') OVER (PARTITION BY i % 2 ORDER BY p DESC ROWS 1 PRECEDING) AS holm
FROM tests WHERE i <= 4 ORDER BY 1, 2;
SELECT p, p_adjust(p, 'bonferroni') OVER () AS adjusted FROM (VALUES (0.01), (NULL), (0.02)) t (p);
SELECT p_adjust(ARRAY[0.01, NULL, 0.02], 'bonferroni'), p_adjust('{}'::float8[], 'holm'),
	p_adjust('[3:4]={0.03,0.04}'::float8[], 'bh'), p_adjust(NULL::float8[], 'by') IS NULL AS is_null;

SELECT p_adjust(p, 'magic') OVER () FROM tests;
SELECT p_adjust(p + 0.5, 'holm') OVER () FROM tests;
SELECT p_adjust('{0.1, NaN}'::float8[], 'holm');
SELECT p_adjust('{0.1, -0.1}'::float8[], 'holm');
SELECT p_adjust(p, CASE WHEN i = 3 THEN 'bh' ELSE 'holm' END) OVER () FROM tests;
SELECT p_adjust(p, NULL) OVER () FROM tests;
SELECT p_adjust(0.1::float8, 'holm');
