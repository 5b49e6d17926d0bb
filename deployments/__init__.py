"""How the product is deployed and tried."""
