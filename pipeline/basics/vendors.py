"""Where the push vendors live, for the settings' defaults and for who builds a channel without settings."""

from typing import Final

FCM_ENDPOINT: Final = "https://fcm.googleapis.com"
"""Firebase, "FCM HTTP v1 API"."""
APNS_PRODUCTION_ENDPOINT: Final = "https://api.push.apple.com"
APNS_SANDBOX_ENDPOINT: Final = "https://api.development.push.apple.com"
"""Apple, "Sending notification requests to APNs"."""
