\echo Use "CREATE EXTENSION expstat_registry" to load this file. \quit

