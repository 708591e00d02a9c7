"""One flat file a system: its hyper-parameters with a reason each."""
