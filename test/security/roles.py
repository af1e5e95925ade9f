"""Three roles, none of them a superuser."""

OWNER = "expstat_owner"         # has the database, and makes the extensions
USER = "expstat_user"           # uses them
MALLORY = "expstat_mallory"     # attacks, or may do nothing
