"""What comes in and goes out, as types: requests are checked against these, the OpenAPI document is made from them."""
