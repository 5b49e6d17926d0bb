"""What is done for runs while nobody works on them: reasons for waits, and a short history."""
