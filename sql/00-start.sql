\echo Use "CREATE EXTENSION expstat" to load this file. \quit

