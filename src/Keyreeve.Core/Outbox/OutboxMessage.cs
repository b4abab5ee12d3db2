using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Keys;

namespace Keyreeve.Core.Outbox;

/// <summary>How the body lies in the store.</summary>
public enum OutboxForm
{
    /// <summary>As it is sent.</summary>
    Plain = 0,

    /// <summary>Sealed by the KEK for this message: it holds a secret.</summary>
    Sealed = 1,

    /// <summary>
    /// The claims of a JWT, signed when it is sent: a message that waited is signed by a key that is valid then, also after the key of
    /// the time before was revoked.
    /// </summary>
    Claims = 2,
}

/// <summary>What must reach another party, written in the transaction of its cause and delivered at least once.</summary>
public sealed record OutboxMessage
{
    /// <summary>How long a message is tried when nothing else is said. Our choice: a receiver that is away for a day has to look at everything anew.</summary>
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(24);

    /// <summary>Octets of a body. Our choice.</summary>
    public const int MaxBody = 64 * 1024;

    /// <summary>Identifies the message through every attempt, so that a receiver knows a repetition as one.</summary>
    public required string Id { get; init; }

    /// <summary>Messages of one receiver arrive in the order of their transactions; receivers do not wait for each other.</summary>
    public required string Receiver { get; init; }

    /// <summary>Where it is posted.</summary>
    public required string Url { get; init; }

    /// <summary>Media type, as <c>application/secevent+jwt</c>. For <see cref="OutboxForm.Claims"/> the JWT's <c>typ</c> is what follows the slash.</summary>
    public required string ContentType { get; init; }

    /// <summary>The body in its form.</summary>
    public required byte[] Body { get; init; }

    /// <summary>Its form.</summary>
    public required OutboxForm Form { get; init; }

    /// <summary>How long it is tried.</summary>
    public TimeSpan Lifetime { get; init; } = DefaultLifetime;

    /// <summary>A new identifier: 22 characters of base64url.</summary>
    public static string NewId() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));

    /// <summary>A message whose body holds a secret.</summary>
    public static OutboxMessage Sealing(Kek kek, string receiver, string url, string contentType, ReadOnlySpan<byte> body)
    {
        var id = NewId();
        return new() { Id = id, Receiver = receiver, Url = url, ContentType = contentType, Body = kek.Seal(PurposeOf(id), body), Form = OutboxForm.Sealed };
    }

    /// <summary>What a sealed body was sealed for.</summary>
    public static string PurposeOf(string id) => "outbox:" + id;
}

/// <summary>A message as it waits. Times Unix milliseconds.</summary>
/// <param name="Sequence">Its place among the messages of its receiver.</param>
/// <param name="Message">The message.</param>
/// <param name="CreatedAt">When it was written.</param>
public sealed record WaitingMessage(long Sequence, OutboxMessage Message, long CreatedAt);

/// <summary>A receiver whose oldest message is to be tried now.</summary>
/// <param name="Receiver">Its key.</param>
/// <param name="Attempts">How often that message was tried in vain.</param>
public sealed record DueReceiver(string Receiver, int Attempts);

/// <summary>What waits altogether.</summary>
/// <param name="Waiting">Messages.</param>
/// <param name="OldestAt">When the oldest was written (Unix milliseconds), or null when none waits.</param>
public sealed record OutboxBacklog(long Waiting, long? OldestAt)
{
    /// <summary>None waits.</summary>
    public static OutboxBacklog Nothing { get; } = new(0, null);
}

/// <summary>What waits for a receiver. Times Unix milliseconds.</summary>
/// <param name="Receiver">Its key.</param>
/// <param name="Waiting">Messages.</param>
/// <param name="OldestAt">When the oldest was written, or null when none waits.</param>
/// <param name="Attempts">How often the oldest was tried in vain.</param>
/// <param name="NextAttemptAt">Not before; 0 is at once.</param>
/// <param name="LastOutcome">Class of the last attempt: "delivered", "status 503", "TimedOut", ...; null before the first.</param>
/// <param name="Dropped">Messages refused because too many waited, since it last had none waiting.</param>
public sealed record ReceiverBacklog(string Receiver, long Waiting, long? OldestAt, int Attempts, long NextAttemptAt, string? LastOutcome, long Dropped);
