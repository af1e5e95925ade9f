-- Raw tables of a shop, as an event pipeline would leave them, in the schema raw: made up by
-- hashing, so that everybody has the same.  4,000 users, of whom 3,000 saw the new checkout or the
-- old one, some of them several times; orders of three months.  The new checkout adds 15 % to
-- orders after it was seen.
--
--   psql -f raw.sql

\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS expstat;
SET timezone = 'UTC';
BEGIN;
DROP SCHEMA IF EXISTS raw CASCADE;
CREATE SCHEMA raw;

CREATE TABLE raw.users AS
SELECT 'user-' || i AS user_id,
       assign_variant('user-' || i, 'country', '{DE,FR,US}') AS country,
       '2026-01-01'::timestamptz + 65 * assign_bucket('user-' || i, 'signed up') * interval '1 day' AS signed_up_at,
       -ln(1 - assign_bucket('user-' || i, 'activity')) AS activity
FROM generate_series(1, 4000) AS i;

CREATE TABLE raw.exposures AS
SELECT user_id,
       assign_variant(user_id, 'checkout', '{control,treatment}') AS variant,
       '2026-03-07'::timestamptz
       + (7 * assign_bucket(user_id, 'first visit') + 2 * (visit - 1)) * interval '1 day' AS exposed_at
FROM raw.users,
     generate_series(1, 1 + (3 * assign_bucket(user_id, 'visits'))::int) AS visit
WHERE assign_bucket(user_id, 'visitor') < 0.75;

CREATE TABLE raw.orders AS
SELECT order_id, user_id, ordered_at,
       round((20 + 60 * assign_bucket(order_id, 'amount'))::numeric
             * CASE WHEN ordered_at >= first_at
                         AND assign_variant(user_id, 'checkout', '{control,treatment}') = 'treatment'
                    THEN 1.15 ELSE 1 END, 2) AS amount,
       CASE WHEN assign_bucket(order_id, 'status') < 0.05 THEN 'cancelled'
            WHEN assign_bucket(order_id, 'status') < 0.15 THEN 'refunded'
            ELSE 'complete' END AS status
FROM (SELECT user_id, user_id || '/' || i AS order_id,
             signed_up_at + ('2026-04-01' - signed_up_at) * assign_bucket(user_id || '/' || i, 'ordered') AS ordered_at
      FROM raw.users, generate_series(1, (6 * activity)::int) AS i) AS o
LEFT JOIN (SELECT user_id, min(exposed_at) AS first_at FROM raw.exposures GROUP BY user_id) AS e USING (user_id);

ALTER TABLE raw.users DROP COLUMN activity;
COMMIT;
