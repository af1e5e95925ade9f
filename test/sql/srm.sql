-- Sample ratio mismatch.  821588 against 815482 at 1:1 (Kohavi, Tang and Xu
-- 2020, "Trustworthy Online Controlled Experiments", chapter 3): p = 1.8e-6.
SELECT round(chi2::numeric, 4) AS chi2, df, p_value::numeric(9, 8), n, observed, expected
FROM srm(ARRAY[821588, 815482], ARRAY[1, 1]);

CREATE TEMP TABLE exposures AS
	SELECT CASE WHEN i <= 45 THEN 'control' WHEN i <= 100 THEN 'B' WHEN i <= 150 THEN 'A' END AS variant
	FROM generate_series(1, 155) i;
-- Arrays are in the order of the labels; a NULL variant is not counted.
SELECT (srm(variant, '{"control": 1, "A": 1, "B": 1}')).* FROM exposures;
SELECT (srm(variant, '{"control": 2, "A": 1, "B": 1, "C": 1}')).* FROM exposures;
SELECT (srm('{45, 55, 50}', '{0.4, 0.4, 0.4}'::float8[])).*;
-- Weights at any scale.
SELECT (srm('{10, 20}', '{1e308, 1e308}'::float8[])).chi2, (srm('{10, 20}', '{1e-308, 1e-308}'::float8[])).chi2;
-- By segment, over nothing, with one arm, with no units.
SELECT variant = 'A' AS segment, (srm(variant, '{"control": 1, "A": 1, "B": 1}')).n FROM exposures GROUP BY 1 ORDER BY 1;
\pset null (null)
SELECT (srm(variant, '{"control": 1}')).* FROM exposures WHERE false;
SELECT (srm(variant, '{"control": 1}')).* FROM exposures WHERE variant = 'control';
SELECT (srm('{0, 0}', '{1, 1}'::float8[])).*;
SELECT srm(NULL::bigint[], '{1}');
\pset null ''

SELECT srm(variant, '{"control": 1, "A": 1}') FROM exposures;
SELECT srm(variant, '{"control": 1, "A": 1, "B": 0}') FROM exposures;
SELECT srm(variant, '{"control": 1, "A": 1, "B": -1}') FROM exposures;
SELECT srm(variant, '{"control": 1, "A": 1, "B": "1"}') FROM exposures;
SELECT srm(variant, '{"control": 1, "A": 1, "B": 1e999}') FROM exposures;
SELECT srm(variant, '{}') FROM exposures;
SELECT srm(variant, '[1, 1]') FROM exposures;
SELECT srm(variant, '1') FROM exposures;
SELECT srm(variant, NULL) FROM exposures;
SELECT srm(variant, jsonb_build_object('control', 1, 'A', 1, 'B', row_number)) FROM (SELECT variant, row_number() OVER () FROM exposures) e;
SELECT srm('{1, 2}', '{1}'::float8[]);
SELECT srm('{1, -2}', '{1, 1}'::float8[]);
SELECT srm('{1, NULL}', '{1, 1}'::float8[]);
SELECT srm('{1, 2}', '{1, NaN}'::float8[]);
SELECT srm('{1, 2}', '{1, 0}'::float8[]);
SELECT srm('{}', '{}'::float8[]);
SELECT srm('{{1, 2}}', '{1, 1}'::float8[]);
