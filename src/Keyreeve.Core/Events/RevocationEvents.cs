using Keyreeve.Core.Outbox;
using Keyreeve.Core.Tokens;

namespace Keyreeve.Core.Events;

/// <summary>What a receiver can be told of.</summary>
[Flags]
public enum EventSubjects
{
    /// <summary><c>revocations</c> of tokens: for resource servers.</summary>
    Revocations = 1,

    /// <summary><c>key-failures</c>: key requests that failed, for the operator.</summary>
    KeyFailures = 2,
}

/// <summary>A resource server, or a machine of the operator, that is told of events.</summary>
/// <param name="Name">Its name in the settings and in the outbox.</param>
/// <param name="Url">Where Security Event Tokens are posted.</param>
/// <param name="Audience"><c>aud</c> of what it is sent.</param>
/// <param name="About">What it is told of.</param>
public sealed record EventReceiver(string Name, string Url, string Audience, EventSubjects About = EventSubjects.Revocations);

/// <summary>Which messages a revocation causes: one for each receiver that is told of them.</summary>
public sealed class RevocationEvents(string issuer, IReadOnlyList<EventReceiver> receivers)
{
    /// <summary>Nobody is told.</summary>
    public static RevocationEvents None { get; } = new("", []);

    /// <summary>The messages.</summary>
    public IEnumerable<OutboxMessage> Of(Revocation revocation, DateTimeOffset now)
    {
        foreach (var receiver in receivers.Where(r => r.About.HasFlag(EventSubjects.Revocations)))
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
