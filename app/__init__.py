"""The roof: joins the rooms that do not know each other, and runs them."""
