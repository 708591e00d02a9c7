"""One file a task: from photos to the task's answer, by the bundles of a route."""
