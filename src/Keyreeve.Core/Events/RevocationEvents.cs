using Keyreeve.Core.Outbox;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Events;

/// <summary>A resource server that is told of revocations.</summary>
/// <param name="Name">Its name in the settings and in the outbox.</param>
/// <param name="Url">Where Security Event Tokens are posted.</param>
/// <param name="Audience"><c>aud</c> of what it is sent.</param>
public sealed record EventReceiver(string Name, string Url, string Audience);

/// <summary>Which messages a revocation causes: one for each receiver.</summary>
public sealed class RevocationEvents(string issuer, IReadOnlyList<EventReceiver> receivers)
{
    /// <summary>Nobody is told.</summary>
    public static RevocationEvents None { get; } = new("", []);

    /// <summary>The messages.</summary>
    public IEnumerable<OutboxMessage> Of(Revocation revocation, DateTimeOffset now)
    {
        foreach (var receiver in receivers)
        {
            var id = OutboxMessage.NewId();
            yield return new()
            {
                Id = id,
                Receiver = "events:" + receiver.Name,
                Url = receiver.Url,
                ContentType = SecurityEvent.MediaType,
                Body = SecurityEvent.Claims(issuer, receiver.Audience, id, revocation, now),
                Form = OutboxForm.Claims,
            };
        }
    }
}
