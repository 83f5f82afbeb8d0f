"""What runs things: clock, scheduler, collector runner, child processes, logging, a graceful stop."""
