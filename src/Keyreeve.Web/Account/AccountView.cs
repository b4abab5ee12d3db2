using System.Globalization;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Web.Login;

namespace Keyreeve.Web.Account;

/// <summary>What the account page shows.</summary>
public sealed record AccountView
{
    /// <summary>Who.</summary>
    public required string UserName { get; init; }

    /// <summary>Sessions, newest first.</summary>
    public required IReadOnlyList<LoginSession> Sessions { get; init; }

    /// <summary>The session of this browser.</summary>
    public required string ThisSession { get; init; }

    /// <summary>Clients with consent or refresh tokens.</summary>
    public required IReadOnlyList<ClientAccess> Access { get; init; }

    /// <summary>The user's device with its VAL services, or null.</summary>
    public Device? Device { get; init; }

    /// <summary>Passkeys and the like.</summary>
    public required SecondFactors Factors { get; init; }

    /// <summary>Passkeys can be made for this server.</summary>
    public required bool PasskeysPossible { get; init; }

    /// <summary>A time as the page writes it: the same everywhere, to the minute, in UTC.</summary>
    public static string Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    internal static async Task<AccountView> LoadAsync(AccountRequest request)
    {
        var (cancel, now) = (request.Context.RequestAborted, request.Now.ToUnixTimeMilliseconds());
        var (user, grants) = (request.User.User, request.Service<IGrantStore>());
        var consents = await grants.ListConsentsAsync(user.Subject, cancel);
        var families = await grants.ListFamiliesAsync(user.Subject, now, cancel);
        var access = new List<ClientAccess>();
        foreach (var clientId in consents.Select(c => c.ClientId).Concat(families.Select(f => f.ClientId)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            var client = await request.Service<SnapshotState>().FindClientAsync(clientId, cancel);
            access.Add(new(clientId, client?.Name ?? clientId, consents.FirstOrDefault(c => c.ClientId == clientId),
                [.. families.Where(f => f.ClientId == clientId).Select(f => new ClientConnection(RefreshToken.GrantNameOf(f.FamilyId), f.Scope.Text, f.StartedAt > 0 ? f.StartedAt : f.Authentication.AuthTime))]));
        }
        return new AccountView
        {
            UserName = user.DisplayName ?? user.Username,
            Sessions = [.. (await request.Service<ISessionStore>().ListAsync(user.Subject, cancel)).Where(s => s.ExpiresAt > now && s.SecurityStamp == user.SecurityStamp)],
            ThisSession = request.User.Session.SessionId,
            Access = access,
            Device = user.ValUeId is { } id ? await request.Service<IDirectory>().FindDeviceAsync(id, cancel) ?? new Device { ValUeId = id } : null,
            Factors = await request.Service<ICredentialStore>().FindAsync(user.Subject, cancel),
            PasskeysPossible = request.Service<PasskeyCeremony>().IsPossible,
        };
    }
}

/// <summary>What a client has from the user.</summary>
/// <param name="ClientId">Its identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="Consent">What was allowed, as it was shown; null where nobody asked.</param>
/// <param name="Connections">Its refresh families.</param>
public sealed record ClientAccess(string ClientId, string Name, Consent? Consent, IReadOnlyList<ClientConnection> Connections);

/// <summary>A refresh family.</summary>
/// <param name="Name">The name that its tokens carry.</param>
/// <param name="Scope">What was granted.</param>
/// <param name="Since">Unix milliseconds.</param>
public sealed record ClientConnection(string Name, string Scope, long Since);
