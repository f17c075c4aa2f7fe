"""One real broker that trusts nobody: TLS, SCRAM, certificates of clients, and rights for each user.

Owns the listeners, the users and what they may do. Whoever comes by `address` (plain, for the tests' own producers and
judges) is a super user; the service comes by the others. `tests/integration` makes fixtures of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin import (  # type: ignore[attr-defined] # not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from tests.authority import Authority
from tests.containers import LOOPBACK, Kafka

if TYPE_CHECKING:
    from collections.abc import Mapping

REAUTHENTICATE_MS = 3000  # how long a connection by SCRAM lives without authenticating again
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_ANSWER_S = 30.0

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
CREATE = AclOperation.CREATE
IDEMPOTENT_WRITE = AclOperation.IDEMPOTENT_WRITE


class SecuredKafka(Kafka):
    """A broker with an authorizer that denies whatever is not allowed.

    Attributes:
        authority: what the broker's certificate and those of clients are signed by.
        scram: host and port of the listener for SASL/SCRAM-SHA-512 over TLS, once started.
        mutual: of the one for TLS with a certificate of the client's.
    """

    scram: str
    mutual: str

    def __init__(self) -> None:
        """Prepares it; the rights of users are given once it runs."""
        super().__init__(
            KAFKA_LISTENERS=("CLIENT://:9092,INSIDE://:29092,CONTROLLER://:9093,SCRAM://:9094,MUTUAL://:9095"),
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=(
                "CLIENT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MUTUAL:SSL"
            ),
            KAFKA_SASL_ENABLED_MECHANISMS="SCRAM-SHA-512",
            KAFKA_LISTENER_NAME_SCRAM_SCRAM___SHA___512_SASL_JAAS_CONFIG=_SCRAM,
            KAFKA_CONNECTIONS_MAX_REAUTH_MS=str(REAUTHENTICATE_MS),
            KAFKA_LISTENER_NAME_MUTUAL_SSL_CLIENT_AUTH="required",
            KAFKA_SSL_KEYSTORE_TYPE="PEM",
            KAFKA_SSL_KEYSTORE_LOCATION="/tmp/broker.pem",  # noqa: S108 (inside the container)
            KAFKA_SSL_TRUSTSTORE_TYPE="PEM",
            KAFKA_SSL_TRUSTSTORE_LOCATION="/tmp/authority.pem",  # noqa: S108 (inside the container)
            KAFKA_AUTHORIZER_CLASS_NAME="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            KAFKA_SUPER_USERS="User:ANONYMOUS",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        )
        self.authority = Authority("the brokers' authority")
        for port in (9094, 9095):
            self.ports[f"{port}/tcp"] = LOOPBACK

    def advertised(self) -> dict[str, str]:
        """Puts the certificates in before the broker starts; see Kafka."""
        for name, pem in {"broker": self.authority.issue("broker"), "authority": self.authority.pem}.items():
            self.exec(["bash", "-c", f"printf %s '{pem}' >/tmp/{name}.pem"])
        self.scram, self.mutual = self.published(9094), self.published(9095)
        return {**super().advertised(), "SCRAM": self.scram, "MUTUAL": self.mutual}

    def set_password(self, user: str, password: str) -> None:
        """Creates a user or changes the password; connections that stand already go on until they authenticate."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        self._alter(UserScramCredentialUpsertion(user, info, password.encode()))

    def remove(self, user: str) -> None:
        """Deletes a user's credentials."""
        self._alter(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))

    def allow(self, user: str, rights: Mapping[tuple[ResourceType, str], list[AclOperation]]) -> None:
        """Lets a user do these operations on resources of these names, and returns once it holds."""
        admin = self._admin()
        made = admin.create_acls(
            [
                _binding(user, kind, name, operation)
                for (kind, name), operations in rights.items()
                for operation in operations
            ]
        )
        for done in made.values():
            done.result(timeout=_ANSWER_S)

    def forbid(self, user: str, kind: ResourceType, name: str) -> None:
        """Takes all rights of a user on one resource."""
        what = AclBindingFilter(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        admin = self._admin()
        for done in admin.delete_acls([what]).values():
            done.result(timeout=_ANSWER_S)

    def _alter(self, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        admin = self._admin()
        for done in admin.alter_user_scram_credentials([change]).values():
            done.result(timeout=_ANSWER_S)

    def _admin(self) -> AdminClient:
        """To be held while its answers are awaited: they are lost with it."""
        return AdminClient({"bootstrap.servers": self.address})


def _binding(user: str, kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    return AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
