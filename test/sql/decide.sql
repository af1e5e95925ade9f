-- Deciding: ship, do not ship or keep running.

-- A comparison as a row: lift and p-value are what matters here.
CREATE FUNCTION pg_temp.result(lift float8, p float8, half float8 DEFAULT 0.02, n bigint DEFAULT 5000, variant text DEFAULT 't')
RETURNS comparison LANGUAGE sql AS $$
	SELECT ROW(variant, 'control', n, n, 100 * (1 + lift), 100, 100 * lift, 1, NULL, NULL, p, 100 * (lift - half), 100 * (lift + half),
			   lift, lift - half, lift + half, 0.05, 'welch_t')::comparison
$$;
CREATE FUNCTION pg_temp.say(text, VARIADIC results metric_result[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d decision;
BEGIN
	FOR d IN SELECT * FROM decide(results) LOOP
		RAISE NOTICE E'%: %: %\n%', $1, d.variant, d.decision, d.reasons;
	END LOOP;
END
$$;
\set SHOW_CONTEXT never

SELECT pg_temp.say('won', metric_result('revenue', 'primary', pg_temp.result(0.05, 0.001)),
	metric_result('load time', 'guardrail', pg_temp.result(0.001, 0.9), better => 'lower', margin => 0.03, relative => true));
SELECT pg_temp.say('nothing yet', metric_result('revenue', 'primary', pg_temp.result(0.01, 0.3)));
SELECT pg_temp.say('harm', metric_result('revenue', 'primary', pg_temp.result(-0.05, 0.001)));
SELECT pg_temp.say('lower is better', metric_result('churn', 'primary', pg_temp.result(-0.05, 0.001), better => 'lower'));
SELECT pg_temp.say('guardrail broken', metric_result('revenue', 'primary', pg_temp.result(0.05, 0.001)),
	metric_result('load time', 'guardrail', pg_temp.result(0.06, 0.001), better => 'lower', margin => 3));
SELECT pg_temp.say('guardrail open', metric_result('revenue', 'primary', pg_temp.result(0.05, 0.001)),
	metric_result('retention', 'guardrail', pg_temp.result(-0.01, 0.3), margin => 2));
SELECT pg_temp.say('too few', metric_result('revenue', 'primary', pg_temp.result(0.05, 0.001, n => 60)));
SELECT pg_temp.say('Twyman''s law', metric_result('revenue', 'primary', pg_temp.result(0.8, 0.001)));
-- Weighted: the primary metric has 80 % of alpha, three secondary ones share the rest.
SELECT d.*
FROM decide(metric_result('revenue', 'primary', pg_temp.result(0.05, 0.03))
			|| ARRAY(SELECT metric_result('secondary ' || i, 'secondary', pg_temp.result(0.01, 0.001 * i)) FROM generate_series(1, 3) AS i)) AS d;
-- At alpha 0.01, whatever the alpha of the intervals; and a lift without end.
SELECT alpha, d.* FROM unnest('{0.01,0.05}'::float8[]) AS alpha,
	 decide(ARRAY[metric_result('revenue', 'primary', pg_temp.result(0.05, 0.03))], alpha => alpha) AS d;
SELECT d.* FROM decide(ARRAY[metric_result('revenue', 'primary', pg_temp.result(1e12, 0.001))]) AS d;
-- Numbers as a reader wants them, whatever the session's digits: 0.1 + 0.2 is 0.30000000000000004.
SET extra_float_digits = 3;
SELECT d.*
FROM (SELECT moments_agg(CASE WHEN i % 2 = 0 THEN 1.0 / (1 + i % 3) ELSE i % 4 - 2 END, CASE WHEN i % 2 = 0 THEN 't' ELSE 'control' END) AS m
	  FROM generate_series(1, 600) AS i) AS s, welch_t(m) AS c,
	 decide(ARRAY[metric_result('balance', 'primary', c), metric_result('debts', 'guardrail', c, better => 'lower', margin => 0.1 + 0.2::float8)],
			srm_p_value => 1e-4 / 3) AS d;
RESET extra_float_digits;
-- Two treatments share alpha.
SELECT pg_temp.say('two', metric_result('revenue', 'primary', pg_temp.result(0.05, 0.03)),
	metric_result('revenue', 'primary', pg_temp.result(0.05, 0.02, variant => 'b')));

-- The other corrections, of the same results: p = 0.03 and 0.04.
SELECT correction, decision, reasons
FROM unnest('{weighted,none,bonferroni,holm,hochberg,bh,by}'::text[]) AS correction,
	 decide(ARRAY[metric_result('revenue', 'primary', pg_temp.result(0.05, 0.03)),
				  metric_result('visits', 'secondary', pg_temp.result(0.05, 0.04))], correction => correction);
-- A failed split.
SELECT decision, reasons FROM decide(ARRAY[metric_result('revenue', 'primary', pg_temp.result(0.05, 0.001))], srm_p_value => 1e-9);
-- Before, and at, the planned number of units.
SELECT planned_n, p, decision, reasons
FROM (VALUES (6000, 0.001), (5000, 0.001), (6000, 0.4), (5000, 0.4)) AS v (planned_n, p),
	 decide(ARRAY[metric_result('revenue', 'primary', pg_temp.result(0.05, p))], planned_n => planned_n);
-- From real comparisons.
SELECT d.*
FROM (SELECT moments_agg(ARRAY[i % 5 + CASE WHEN i % 2 = 0 THEN 0.4 ELSE 0 END, i % 7], CASE WHEN i % 2 = 0 THEN 't' ELSE 'control' END) AS m
	  FROM generate_series(1, 2000) AS i) AS s,
	 decide(ARRAY(SELECT metric_result('revenue', 'primary', c) FROM welch_t(m) AS c)
			|| ARRAY(SELECT metric_result('visits', 'guardrail', c, margin => 0.05, relative => true) FROM welch_t(m, metric => 2) AS c)) AS d;
-- Nothing but the control.
SELECT d.* FROM decide(ARRAY(SELECT metric_result('revenue', 'primary', c) FROM welch_t((SELECT moments_agg(1, 'control'))) AS c)) AS d;

-- Bad input.
SELECT metric_result('x', 'main', pg_temp.result(0.1, 0.1));
SELECT metric_result('x', 'guardrail', pg_temp.result(0.1, 0.1));
SELECT metric_result('x', 'guardrail', pg_temp.result(0.1, 0.1), margin => -1);
SELECT metric_result('x', 'primary', pg_temp.result(0.1, 0.1), better => 'up');
SELECT metric_result('x', 'primary', NULL);
SELECT metric_result(NULL, 'primary', pg_temp.result(0.1, 0.1));
SELECT metric_result('x', 'primary', pg_temp.result(0.1, 0.1), weight => 0);
SELECT decide(ARRAY[metric_result('x', 'secondary', pg_temp.result(0.1, 0.1))]);
SELECT decide(ARRAY[ROW('x', 'main', pg_temp.result(0.1, 0.1), 'higher', NULL, false, 1)::metric_result, metric_result('x', 'primary', pg_temp.result(0.1, 0.1))]);
SELECT decide(NULL);
SELECT decide(ARRAY[metric_result('x', 'primary', pg_temp.result(0.1, 0.1))], correction => 'sidak');
SELECT decide(ARRAY[metric_result('x', 'primary', pg_temp.result(0.1, 0.1))], alpha => 2);
SELECT decide(ARRAY[metric_result('x', 'primary', pg_temp.result(0.1, 0.1))], max_lift => NULL);
SELECT decide(ARRAY[metric_result('x', 'primary', pg_temp.result(0.1, 0.1))], alpha => 0);
SELECT decide(ARRAY[metric_result('x', 'primary', pg_temp.result(0.1, 0.1))], srm_p_value => 'NaN');
