"""What moves when, and the engine that moves it: plan, steps, runner, gates, schedule."""
