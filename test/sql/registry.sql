-- The registry: an experiment from its definition to its decision.  docs/registry.md has the same example.
SET client_min_messages = warning;
CREATE EXTENSION expstat_registry;
SET extra_float_digits = -8;
SET timezone = 'UTC';
SET datestyle = ISO;

CREATE SCHEMA registry_test;
SET search_path = registry_test, public;

CREATE TABLE exposures AS
SELECT i AS user_id, assign_variant(i::text, 'checkout-2026', '{control,treatment}') AS variant,
       timestamptz '2026-03-02 09:00' + i % 14 * interval '1 day' + i % 7 * interval '1 hour' AS exposed_at,
       CASE WHEN assign_bucket(i::text, 'country') < 0.6 THEN 'DE' ELSE 'FR' END AS country
FROM generate_series(1, 6000) AS i;

-- Every third user buys once before the experiment and once in it; the treatment buys for more.
CREATE TABLE orders AS
SELECT user_id, exposed_at - interval '5 days' AS ordered_at,
       round((20 + 30 * assign_bucket(user_id::text, 'taste'))::numeric, 2) AS amount
FROM exposures WHERE user_id % 3 = 0
UNION ALL
SELECT user_id, exposed_at + interval '1 hour' + user_id % 10 * interval '1 day',
       round((20 + 30 * assign_bucket(user_id::text, 'taste') + 10 * assign_bucket(user_id::text, 'mood')
              + CASE variant WHEN 'treatment' THEN 3 ELSE 0 END)::numeric, 2)
FROM exposures WHERE user_id % 3 = 0;

-- What is measured.
SELECT expstat.register_metric('revenue', relation => 'orders', unit_column => 'user_id', value_column => 'amount',
                               time_column => 'ordered_at', metric_window => '7 days', covariate_window => '28 days',
                               description => 'euros in the week after the first exposure');
SELECT expstat.register_metric('buyers', kind => 'proportion', relation => 'orders', unit_column => 'user_id',
                               time_column => 'ordered_at', role => 'guardrail', margin => 0.1);
SELECT expstat.register_metric('orders', relation => 'orders', unit_column => 'user_id', time_column => 'ordered_at');
SELECT expstat.register_metric('turnover', relation => 'orders', unit_column => 'user_id', value_column => 'amount',
                               time_column => 'ordered_at');
SELECT expstat.register_metric('order value', kind => 'ratio', components => '{turnover,orders}');

-- What is tried, on whom.
SELECT expstat.register_experiment('checkout-2026', exposures => 'exposures', variants => '{control,treatment}',
                                   primary_metric => 'revenue', metrics => '{order value,buyers}', segments => '{country}',
                                   salt => 'checkout-2026', starts => '2026-03-02', ends => '2026-03-30',
                                   time_zone => 'Europe/Berlin', name => 'One-page checkout',
                                   hypothesis => 'One page instead of three: fewer leave, revenue per user rises.');

-- In the middle of it, and at the end.
SELECT metric, role, variant, n, n_control, lift, lift_low, lift_high, p_adjusted, outcome
FROM expstat.analyze('checkout-2026', as_of => '2026-03-09 12:00');
SELECT metric, role, variant, n, n_control, lift, lift_low, lift_high, p_adjusted, outcome
FROM expstat.analyze('checkout-2026');

SELECT metric, estimate, estimate_control, diff, p_value, method FROM expstat.experiment_results ORDER BY place;
SELECT metric, segment, value, n, n_control, lift, p_adjusted
FROM expstat.experiment_results_by_segment ORDER BY place, segment, value;
SELECT day, n, n_control, lift, lift_low, lift_high, sequential_lift_low, sequential_lift_high
FROM expstat.experiment_timeseries WHERE metric = 'revenue' AND kind = 'cumulative' ORDER BY day;
SELECT check_name, status, detail FROM expstat.experiment_health ORDER BY place;
SELECT experiment, variant, health, recommendation, reasons FROM expstat.experiment_summary;

-- Any other question, of the stored moments.
SELECT variant, diff_low, diff_high, method
FROM expstat.experiment_moments('checkout-2026', 'revenue') AS m, welch_t(m, alpha => 0.1);
SELECT variant, estimate, estimate_control, p_value
FROM expstat.experiment_moments('checkout-2026', 'order value', 'country', 'FR') AS m, delta_ratio(m);

-- The decision, with its numbers.
SELECT experiment, decision, variant, reason
FROM expstat.decide_experiment('checkout-2026', 'ship', 'treatment', 'Revenue is up, nobody is lost.');
SELECT jsonb_object_keys(snapshot) AS kept FROM expstat.decisions ORDER BY 1;

-- Tables for large data.
SELECT expstat.create_tables('registry_test', first_month => '2026-03-01', months => 2);
SELECT expstat.add_experiment_partition('assignment', 'checkout-2026');
\d assignment
\d kpi_outcome

-- What is wrong is said.
\set SHOW_CONTEXT never
SELECT expstat.register_metric('margins', relation => 'orders', unit_column => 'user_id', value_column => 'margin');
SELECT expstat.register_metric('late', relation => 'orders', unit_column => 'user_id', value_column => 'amount',
                               time_column => 'ordered_at', covariate_column => 'amount');
SELECT expstat.register_experiment('next', 'exposures', '{control,treatment}', 'profit');
SELECT * FROM expstat.analyze('checkout-2025');

RESET search_path;
DROP SCHEMA registry_test CASCADE;
DROP EXTENSION expstat_registry;
DROP SCHEMA expstat;
