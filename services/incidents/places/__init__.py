"""Where things happen: the boundaries of communes and the hamlets, as the province loads them."""
