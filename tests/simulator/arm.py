"""Addresses in the simulated subscription."""

WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/bridge"
)
ENDPOINTS = f"{WORKSPACE}/onlineEndpoints"
KEY = f"{ENDPOINTS}/language-key"
AML_TOKEN = f"{ENDPOINTS}/language-aml-token"
AAD_TOKEN = f"{ENDPOINTS}/language-aad-token"
VERSION = "?api-version=2025-12-01"
