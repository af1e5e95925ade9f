-- An experiment in the registry, analyzed and decided.
SET timezone = 'UTC';
CREATE TABLE orders AS SELECT unit, exposed_at + interval '1 hour' AS ordered_at, i % 10 AS amount
FROM log JOIN units USING (unit);
SELECT expstat.register_metric('revenue', relation => 'orders', unit_column => 'unit', value_column => 'amount', time_column => 'ordered_at');
SELECT expstat.register_metric('buyers', kind => 'proportion', relation => 'orders', unit_column => 'unit', time_column => 'ordered_at');
SELECT expstat.register_metric('median', kind => 'quantile', quantile => 0.5, relation => 'orders', unit_column => 'unit', value_column => 'amount', time_column => 'ordered_at');
SELECT expstat.register_experiment('checkout', exposures => 'log', unit_column => 'unit', variants => (SELECT array_agg(DISTINCT variant) FROM units),
                                   primary_metric => 'revenue', metrics => '{buyers,median}', starts => '2026-01-01', ends => '2026-02-01');
SELECT * FROM expstat.analyze('checkout', as_of => '2026-03-01');
SELECT * FROM expstat.decide_experiment('checkout', 'do not ship', reason => 'No effect.');
