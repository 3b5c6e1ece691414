"""How fast Stipend is, measured beside the limit of the database it runs on."""
