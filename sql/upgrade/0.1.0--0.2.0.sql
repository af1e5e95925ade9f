\echo Use "ALTER EXTENSION expstat UPDATE TO '0.2.0'" to load this file. \quit

