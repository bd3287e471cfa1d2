"""Azure ML's workspace, whoever works in it: the compute target and the registry sign in, ask and fail the same way."""
