-- The same before and after.
SET timezone = 'UTC';
SELECT segment, m FROM states ORDER BY 1;
SELECT md5(m::text), md5(moments_send(m)::text) FROM wide;
SELECT md5(b::text), (SELECT array_agg(r) FROM bootstrap_mean(b) AS r) FROM bootstraps;
SELECT * FROM results_kept ORDER BY 2;
SELECT * FROM states_by_type;
SELECT * FROM results ORDER BY 1;
SELECT * FROM together;
SELECT * FROM direct;
SELECT * FROM latest();
SELECT * FROM health;
SELECT sum(bucket), sum(assign_bucket(unit, 'salt')) FROM generated;
SET enable_seqscan = off;
SELECT count(*) FROM generated WHERE assign_variant(unit, 'salt', '{a,b}') = 'a';
SELECT count(*) FROM states AS a JOIN states AS b USING (m);
RESET enable_seqscan;
REFRESH MATERIALIZED VIEW together;
SELECT * FROM together;
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'expstat_registry') AS registry \gset
\if :registry
-- When it was analyzed changes below, where it is analyzed again.
SELECT to_jsonb(r) - 'analyzed_at' FROM expstat.experiment_results AS r ORDER BY metric;
SELECT to_jsonb(r) - 'analyzed_at' FROM expstat.experiment_summary AS r;
SELECT to_jsonb(r) - 'analyzed_at' FROM expstat.experiment_health AS r ORDER BY place;
SELECT * FROM expstat.states ORDER BY metric, cohort;
SELECT * FROM expstat.decisions;
SELECT metric, variant, diff, p_value FROM expstat.analyze('checkout', as_of => '2026-03-01') ORDER BY 1, 2;
SELECT count(*) FROM expstat_report_text('checkout');
SELECT expstat_report('checkout') LIKE '<!DOCTYPE html>%';
SET ROLE pg_monitor;
SELECT count(*) FROM expstat.experiment_results;
\endif
