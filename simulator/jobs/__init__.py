"""Pipeline jobs that really run: from the accepted request over the steps' processes to the stored output."""
