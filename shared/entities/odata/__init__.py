"""OData 4.0, as far as entities speak it: addresses, query options, filters, their meaning, and answers."""
