-- A real experiment, from exposure to decision, in plain SQL.
-- `script/demo` runs this on a private server.  To run it in a database of your own
-- (an empty one: it creates tables): cd demo && psql -f demo.sql
\set QUIET on
\set ON_ERROR_STOP on
\pset footer off
\pset null '-'
\pset pager off

\echo
\echo '# The data'
\echo
\echo 'In 2008 an online shop drew three groups of customers at random and sent them an e-mail'
\echo 'about men''s clothes, one about women''s clothes, or none.  Two weeks later it counted'
\echo 'visits, purchases (conversion) and dollars spent.'
\echo
\set ECHO queries

CREATE EXTENSION expstat;

CREATE TABLE customers (
    customer_id bigint GENERATED ALWAYS AS IDENTITY,
    segment     text,
    visit       boolean,
    conversion  boolean,
    spend       float8,
    newbie      boolean,
    history     float8
);

\set ECHO none
\echo
\echo '\\copy customers (...) FROM data/hillstrom.csv.gz'
\echo
\copy customers (segment, visit, conversion, spend, newbie, history) FROM PROGRAM 'gzip -dc data/hillstrom.csv.gz' CSV HEADER

\set ECHO queries

SELECT segment, count(*) AS customers, sum(visit::int) AS visits,
       sum(conversion::int) AS purchases, round(sum(spend)) AS dollars
FROM customers
GROUP BY segment
ORDER BY segment;

\echo 'From here on, four significant digits are enough to read:'
\echo

SET extra_float_digits = -11;
\echo

\echo '# Were the customers split as planned, 1:1:1?'
\echo
\echo 'A p-value below 0.001 or so would mean that customers got lost or were sorted on the way'
\echo '(a sample ratio mismatch, SRM), and that nothing below can be trusted.'
\echo

CREATE TABLE split AS
SELECT (srm(segment, '{"Mens E-Mail": 1, "Womens E-Mail": 1, "No E-Mail": 1}')).*
FROM customers;

\echo
SELECT n, observed, chi2, df, p_value FROM split;

\echo '# What did the e-mails change?'
\echo
\echo 'One pass over the customers gathers the moments (counts, means, variances) of each metric;'
\echo 'the tests work on those.  Each e-mail is compared with no e-mail.  Six comparisons raise'
\echo 'the odds of a false alarm: p_adjusted (Holm) allows for all six.'
\echo

CREATE TABLE answers AS
WITH gathered AS (
    SELECT moments_agg(visit::int, segment)      AS visit,
           moments_agg(conversion::int, segment) AS conversion,
           moments_agg(spend, segment)           AS spend
    FROM customers
), compared AS (
    SELECT 'visit' AS metric, c.*
    FROM gathered, proportion_z(visit, control => 'No E-Mail') AS c
    UNION ALL
    SELECT 'conversion', c.*
    FROM gathered, proportion_z(conversion, control => 'No E-Mail') AS c
    UNION ALL
    SELECT 'spend', c.*
    FROM gathered, welch_t(spend, control => 'No E-Mail') AS c
)
SELECT *, p_adjust(p_value, 'holm') OVER () AS p_adjusted FROM compared;

\echo
\echo 'Rates and dollars per customer:'
\echo

SELECT metric, variant, estimate, estimate_control AS no_email, p_value, p_adjusted, method
FROM answers;

\echo 'How much, each with its 95 % confidence interval; lift is the difference in percent of no e-mail:'
\echo

SELECT metric, variant, diff, diff_low, diff_high,
       round(100 * lift) AS "lift %",
       round(100 * lift_low) AS "from %", round(100 * lift_high) AS "to %"
FROM answers;

\echo '# Does it work for new customers, too?'
\echo
\echo 'Moments can be kept in a table: here a row for established customers and one for new ones.'
\echo

CREATE TABLE spend_moments AS
SELECT newbie, moments_agg(spend, segment) AS m
FROM customers
GROUP BY newbie;

\echo
SELECT newbie, variant, n, estimate, estimate_control AS no_email,
       diff, diff_low, diff_high, p_adjust(p_value, 'holm') OVER () AS p_adjusted
FROM spend_moments, welch_t(m, control => 'No E-Mail')
ORDER BY newbie, variant;

\echo 'The two rows add up to everybody, without another look at the customers:'
\echo

SELECT variant, n, estimate, estimate_control AS no_email,
       diff, diff_low, diff_high, p_value
FROM (SELECT moments_agg(m) AS m FROM spend_moments) AS everybody,
     welch_t(m, control => 'No E-Mail');

\echo 'A stored state answers the next question just as well: which of the two e-mails is better?'
\echo

CREATE TABLE duel AS
SELECT c.*
FROM (SELECT moments_agg(m) AS m FROM spend_moments) AS everybody,
     welch_t(moments_filter(m, '{Mens E-Mail,Womens E-Mail}'), control => 'Womens E-Mail') AS c;

\echo
SELECT variant, control, diff, diff_low, diff_high, p_value FROM duel;

\echo '# Sharper, with what was known before?'
\echo
\echo 'history is what a customer spent in the year before.  What it explains is no effect of the'
\echo 'e-mail, and CUPED takes it out.  A state holds all metrics and history, a row per segment:'
\echo

CREATE TABLE all_moments AS
SELECT newbie, moments_agg(ARRAY[spend, visit::int, conversion::int, history], segment) AS m
FROM customers
GROUP BY newbie;

\echo
\echo 'From these two small rows, every metric, adjusted, in every segment and in both together:'
\echo

SELECT coalesce(newbie::text, 'all') AS newbie,
       (ARRAY['spend', 'visit', 'conversion'])[metric] AS name, plain.variant,
       plain.diff, plain.p_value, adjusted.diff AS adjusted, adjusted.p_value AS p_cuped
FROM (SELECT newbie, moments_agg(m) AS m FROM all_moments GROUP BY ROLLUP (newbie)) AS s,
     generate_series(1, 3) AS metric,
     welch_t(m, control => 'No E-Mail', metric => metric) AS plain
     JOIN LATERAL cuped_adjust(m, control => 'No E-Mail', metric => metric, covariates => '{4}')
                  AS adjusted USING (variant)
ORDER BY s.newbie, metric, variant;

\echo 'Here it changes little: a year of purchases explains less than 1 % of the variance:'
\echo

SELECT (cuped_adjust(spend, history)).variance_reduction AS spend,
       (cuped_adjust(visit::int, history)).variance_reduction AS visit,
       (cuped_adjust(conversion::int, history)).variance_reduction AS conversion
FROM customers;

\echo '# The next experiment: which arm does a new customer get?'
\echo
\echo 'A hash decides, so that the same customer gets the same answer everywhere, always.'
\echo

SELECT customer,
       assign_variant(customer, 'spring-test',
                      '{Mens E-Mail,Womens E-Mail,No E-Mail}') AS arm,
       assign_variant(customer, 'spring-test',
                      '{Mens E-Mail,Womens E-Mail,No E-Mail}',
                      coverage => 0.5) AS "arm, if only half take part"
FROM unnest('{64001,64002,64003,64004,64005}'::text[]) AS customer;

\echo 'It is as good as drawing lots; the customers of this test would have fallen so:'
\echo

SELECT assign_variant(customer_id::text, 'spring-test',
                      '{Mens E-Mail,Womens E-Mail,No E-Mail}') AS arm,
       count(*)
FROM customers
GROUP BY arm
ORDER BY arm;

\echo '# The whole of it, registered'
\echo
\echo 'A second extension keeps what an experiment is, and what came of it.  The data do not say'
\echo 'on which day each e-mail was sent; to have something to look at by day, a hash spreads them'
\echo 'over two weeks.'
\echo

CREATE EXTENSION expstat_registry;

CREATE VIEW mailing AS
SELECT customer_id, segment,
       timestamptz '2008-03-01' + 14 * assign_bucket(customer_id::text, 'day') * interval '1 day' AS sent_at,
       CASE WHEN newbie THEN 'new' ELSE 'established' END AS customer
FROM customers;

\echo
SELECT expstat.register_metric('visit', kind => 'proportion', relation => 'customers', unit => 'customer',
           unit_column => 'customer_id', value_column => 'visit', description => 'came to the shop within two weeks'),
       expstat.register_metric('purchase', kind => 'proportion', relation => 'customers', unit => 'customer',
           unit_column => 'customer_id', value_column => 'conversion', description => 'bought something within two weeks'),
       expstat.register_metric('spend', relation => 'customers', unit => 'customer',
           unit_column => 'customer_id', value_column => 'spend', covariate_relation => 'customers',
           covariate_column => 'history', description => 'dollars spent within two weeks');

SELECT expstat.register_metric('spend per visit', kind => 'ratio', components => '{spend,visit}', unit => 'customer',
           role => 'guardrail', margin => 0.15, description => 'are these visitors who buy?'),
       expstat.register_experiment('e-mail', exposures => 'mailing', unit_column => 'customer_id',
           variant_column => 'segment', time_column => 'sent_at', unit => 'customer',
           variants => '{Mens E-Mail,Womens E-Mail,No E-Mail}', control => 'No E-Mail',
           primary_metric => 'visit', metrics => '{purchase,spend,spend per visit}', segments => '{customer}',
           starts => '2008-03-01', ends => '2008-03-15', time_zone => 'UTC', planned_n => 21000,
           name => 'Does an e-mail bring customers back?',
           hypothesis => 'An e-mail about clothes brings customers back within two weeks, and they spend more.');

\echo 'One call checks the exposures, computes all metrics, and keeps the moments:'
\echo

SELECT metric, role, variant, lift, lift_low, lift_high, p_adjusted, outcome
FROM expstat.analyze('e-mail', as_of => '2008-03-29');

SELECT variant, health, recommendation, reasons FROM expstat.experiment_summary;

\set ECHO none
\pset tuples_only on
\pset format unaligned
\echo '# In short'
\echo

SELECT format('1. The split is %s (SRM p = %s).',
              CASE WHEN p_value < 0.001 THEN 'not as planned: trust no comparison below'
                   ELSE 'as planned: the comparisons can be trusted' END,
              round(p_value::numeric, 2))
FROM split;

SELECT format('2. %s of %s comparisons are significant (5 %%, Holm); spend %s.',
              count(*) FILTER (WHERE p_adjusted < 0.05), count(*),
              string_agg(format('%s %% for %s', to_char(100 * lift, 'FMSG999990'), variant), ', ')
                  FILTER (WHERE metric = 'spend'))
FROM answers;

SELECT format('3. %s %s dollars per customer more than %s (95 %% interval %s to %s).',
              CASE WHEN p_value < 0.05 THEN format('Send %s: it brings', winner)
                   ELSE format('No winner yet: %s brings', winner) END,
              to_char(abs(diff), 'FM990.00'), loser,
              to_char(low, 'FM990.00'), to_char(high, 'FM990.00'))
FROM duel,
     LATERAL (SELECT CASE WHEN diff > 0 THEN variant ELSE control END AS winner,
                     CASE WHEN diff > 0 THEN control ELSE variant END AS loser,
                     CASE WHEN diff > 0 THEN diff_low ELSE -diff_high END AS low,
                     CASE WHEN diff > 0 THEN diff_high ELSE -diff_low END AS high) AS w;
\echo
\if :{?report}
\else
\set report e-mail.html
\endif
\o :report
SELECT expstat_report('e-mail');
\o
\echo 'All of it as a page to look at:' :report
\echo
