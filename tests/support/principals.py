"""What Easy Auth adds to the request of somebody who has signed in."""

import base64
import json

ROLE_CLAIM = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


def signed_in(*roles: str, claim: str = "roles") -> dict[str, str]:
    """As "Work with user identities" of App Service has them."""
    claims = [
        {"typ": "preferred_username", "val": "ada@contoso.example"},
        *({"typ": claim, "val": role} for role in roles),
    ]
    principal = {"auth_typ": "aad", "claims": claims, "name_typ": "preferred_username", "role_typ": ROLE_CLAIM}
    return {
        "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode(),
        "X-MS-CLIENT-PRINCIPAL-ID": "an-id",
        "X-MS-CLIENT-PRINCIPAL-NAME": "ada@contoso.example",
    }
