"""What Customer Insights' page on custom models promises, sentence by sentence, through the API."""
