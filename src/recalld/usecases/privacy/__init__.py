"""Private values of a user: kept in versions, one of them in force."""
