"""How long runs take: schedule, forecast, and what bounds them. Pure functions of seconds."""
