"""The rules of what may be stored of a batch: functions of the batch and of what is known of its run."""
