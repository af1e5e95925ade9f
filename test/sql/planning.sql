-- Planning: power, sample size, the smallest effect found, and days.
SET extra_float_digits = 0;

-- Cohen (1988, "Statistical Power Analysis for the Behavioral Sciences", table
-- 2.4.1): d = 0.5, power 0.8, two-sided 5 %: 64 per group; d = 0.2: 393
-- (393.4: he rounds, we round up).
SELECT n, n_control, n_total FROM sample_size_mean(effect => 0.5, sd => 1)
UNION ALL SELECT n, n_control, n_total FROM sample_size_mean(effect => 0.2, sd => 1);
-- Fleiss, Levin and Paik (2003), their formula without continuity correction,
-- by hand: p = 0.6 and 0.7, power 0.9 at 1 %: (2.5758 sqrt(2 * 0.65 * 0.35) +
-- 1.2816 sqrt(0.45))^2 / 0.01 = 674.5.
SELECT n, round(n_control_exact::numeric, 1) AS n_exact
FROM sample_size_proportion(effect => 0.1, proportion => 0.6, power => 0.9, alpha => 0.01);

-- Any two give the third.
SELECT n_control_exact, effect, power FROM sample_size_mean(effect => 0.5, sd => 2, power => 0.9);
SELECT effect FROM mde_mean(n_control => 337.200681243076, sd => 2, power => 0.9);
SELECT power FROM power_mean(n_control => 337.200681243076, effect => 0.5, sd => 2);
-- A relative effect; the arms of different sizes and variances; less is the alternative.
SELECT * FROM sample_size_mean(effect => 0.02, sd => 40, mean => 10, relative => true) \gx
SELECT * FROM sample_size_mean(effect => 1, sd => 10, sd_treatment => 12, ratio => 0.25) \gx
SELECT * FROM mde_mean(n_control => 500, sd => 10, mean => -20, alternative => 'less') \gx
-- Not worse by more than 0.5, if there is no effect.
SELECT n FROM sample_size_mean(effect => 0, sd => 4, null_diff => -0.5, alternative => 'greater');
-- Three variants and two primary metrics: alpha / 4; twice as many units for many looks.
SELECT n, n_control, n_total, alpha FROM sample_size_mean(effect => 0.5, sd => 1, variants => 3, metrics => 2, inflation => 2);
-- Of a proportion and of a ratio.
SELECT * FROM mde_proportion(n_control => 10000, proportion => 0.05) \gx
SELECT * FROM sample_size_ratio(effect => 0.02, num_mean => 10, den_mean => 5, num_sd => 8, den_sd => 3, correlation => 0.7, relative => true) \gx

-- From the moments of the past: 200 units, mean 10, the covariate explains most.
CREATE TEMP TABLE past AS
SELECT moments_agg(10 + sin(i) + cos(i * i), sin(i), CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END) AS m,
	   moments_agg((i % 10 = 0)::int, 'all') AS p
FROM generate_series(1, 200) AS i;
SELECT q.* FROM past, LATERAL (
	SELECT * FROM mde_mean(m, n_control => 1000)
	UNION ALL SELECT * FROM mde_mean(m, n_control => 1000, covariates => '{2}')
	UNION ALL SELECT * FROM mde_mean(m, n_control => 1000, covariates => NULL)) AS q \gx
-- The sd is that of the arms, pooled.
SELECT abs((mde_mean(m, 1000)).sd - sqrt((v[1] + v[2]) / 2)) < 1e-12 AS pooled
FROM past, LATERAL (SELECT array_agg(variance) AS v FROM moments_summary(m) WHERE metric = 1) AS s;
SELECT method, n FROM past, sample_size_proportion(p, effect => 0.2, relative => true);
SELECT method FROM past, sample_size_ratio(m, effect => 0.2) ;
SELECT method, mean FROM past, power_ratio((SELECT moments_agg(ARRAY[i % 7, 1 + i % 3, i % 5, 1 + i % 4], 'a') FROM generate_series(1, 100) AS i),
	n_control => 50, effect => 0.2, num_pre => 3, den_pre => 4);

-- Days: the last week repeats itself.
SELECT (duration(1000, '{100, 90, 80, 70, 60, 50, 40}')).*;
SELECT (duration(1000, '{100, 90, 80, 70, 60, 50, 40}', whole_weeks => false)).*;
SELECT (duration(1000, '{500, 100}', share => 0.5, whole_weeks => false)).*;
SELECT (duration(sample_size_mean(effect => 0.2, sd => 1), '{100, 90, 80, 70, 60, 50, 40}')).*;
\pset null (null)
SELECT (duration(1000, '{100, 0, 0, 0, 0, 0, 0, 0}')).*;
SELECT (duration(0, '{100}')).*;

-- A running experiment.
SELECT r.* FROM past, how_long_still(m, days_so_far => 10, effect => 0.02, relative => true) AS r \gx
SELECT r.days_still, r.n_needed, r.method FROM past, how_long_still(m, 10, 0.02, true, covariates => '{2}', arrivals => '{10, 20}', whole_weeks => false) AS r;

-- Thin histories give rows of NULLs, and so does what cannot be.
SELECT * FROM mde_mean((SELECT moments_agg(1, 'a')), n_control => 100) \gx
SELECT * FROM sample_size_proportion((SELECT moments_agg(0, 'a') FROM generate_series(1, 5)), effect => 0.1) \gx
SELECT sample_size_mean(NULL::moments, effect => 0.1);
SELECT r.* FROM how_long_still((SELECT moments_agg(1, 'a')), 10, 0.02) AS r \gx
SELECT count(*) FROM how_long_still(NULL, 10, 0.02) AS r;
-- Not begun, and not known since when.
SELECT days_so_far, days_still FROM past, unnest('{0,NULL}'::integer[]) AS days, how_long_still(m, days, 0.02, true, arrivals => '{10}');
SELECT effect FROM mde_proportion(n_control => 2, proportion => 0.5);
SELECT power FROM power_mean(n_control => 1, effect => 1, sd => 1);

-- What a design with several looks needs more, and the plan that takes it.
SELECT round(group_sequential_inflation('{0.25,0.5,0.75,1}')::numeric, 6) AS obrien_fleming,
       round(group_sequential_inflation('{1000,2000,5000}', alpha => 0.025, sides => 1, power => 0.9, spending => 'power',
                                        spending_parameter => 2)::numeric, 6) AS power_family,
       group_sequential_inflation('{1}') AS one_look;
SELECT n, n_total, power FROM sample_size_mean(effect => 1, sd => 40, inflation => group_sequential_inflation('{0.25,0.5,0.75,1}'));

-- Bad input.
SELECT group_sequential_inflation('{0.25,0.5,0.75}');
SELECT group_sequential_inflation('{1}', power => 0.01);
SELECT sample_size_mean(effect => 0, sd => 1);
SELECT sample_size_mean(effect => -1, sd => 1, alternative => 'greater');
SELECT sample_size_mean(effect => 1, sd => 0);
SELECT sample_size_mean(effect => 1, sd => 'NaN');
SELECT sample_size_mean(effect => NULL, sd => 1);
SELECT sample_size_mean(effect => 0.1, sd => 1, relative => true);
SELECT sample_size_mean(effect => 1, sd => 1, power => 1);
SELECT sample_size_mean(effect => 1, sd => 1, power => 0.04);
SELECT sample_size_mean(effect => 1, sd => 1, alpha => 5);
SELECT sample_size_mean(effect => 1, sd => 1, alpha => 1e-9);
SELECT sample_size_mean(effect => -29, sd => 3, power => 0.9999999999998, alpha => 0.99999999995, alternative => 'less');
SELECT sample_size_mean(effect => 1, sd => 1, ratio => 0);
SELECT sample_size_mean(effect => 1, sd => 1, variants => 1);
SELECT sample_size_mean(effect => 1, sd => 1, metrics => 0);
SELECT sample_size_mean(effect => 1, sd => 1, inflation => 0.5);
SELECT sample_size_mean(effect => 1, sd => 1, alternative => 'larger');
SELECT power_mean(n_control => -5, effect => 1, sd => 1);
SELECT sample_size_proportion(effect => 0.1, proportion => 1);
SELECT sample_size_proportion(effect => 0.6, proportion => 0.5);
SELECT sample_size_proportion(m, effect => 0.1) FROM past;
SELECT sample_size_mean(m, effect => 0.1, metric => 3) FROM past;
SELECT sample_size_ratio(m, effect => 0.1, num_pre => 1) FROM past;
SELECT sample_size_ratio(effect => 0.1, num_mean => 1, den_mean => 0, num_sd => 1, den_sd => 1, correlation => 0);
SELECT sample_size_ratio(effect => 0.1, num_mean => 1, den_mean => 1, num_sd => 1, den_sd => 1, correlation => 2);
SELECT duration(10, '{}');
SELECT duration(10, '{1, -1}');
SELECT duration(10, '{1}', share => 2);
SELECT how_long_still(m, 0, 0.02) FROM past;
SELECT how_long_still(m, -3, 0.02) FROM past;
SELECT how_long_still(m, -3, 0.02, arrivals => '{10}') FROM past;
SELECT how_long_still(NULL, -3, 0.02);
SELECT how_long_still(m, 10, 0.02, whole_weeks => NULL) FROM past;
SELECT how_long_still(m, 10, 'NaN') FROM past;
