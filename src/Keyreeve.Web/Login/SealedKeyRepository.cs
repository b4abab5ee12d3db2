using System.Text;
using System.Xml.Linq;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Keys;
using Microsoft.AspNetCore.DataProtection.Repositories;

namespace Keyreeve.Web.Login;

/// <summary>Keeps the data-protection keys in the store, sealed by the KEK: all nodes share them and no home folder holds them in the clear.</summary>
public sealed class SealedKeyRepository(ISealedStore store, Kek kek, TimeProvider clock) : IXmlRepository
{
    private const string Prefix = "data_protection/";

    /// <inheritdoc />
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        // The framework's interface is synchronous; it asks once at start and once a day.
        var all = store.ListAsync(Prefix, CancellationToken.None).GetAwaiter().GetResult();
        var elements = new List<XElement>(all.Count);
        foreach (var (name, value) in all)
        {
            if (!kek.TryOpen(name, value, out var xml))
                throw new InvalidOperationException($"{name} does not open with {kek}: it was sealed by KEK {Kek.IdOf(value)}");
            elements.Add(XElement.Parse(Encoding.UTF8.GetString(xml)));
        }
        return elements;
    }

    /// <inheritdoc />
    public void StoreElement(XElement element, string friendlyName)
    {
        var name = Prefix + friendlyName;
        var entry = new AuditEntry { Kind = "data_protection.key_added", Outcome = AuditOutcome.Changed, At = clock.GetUtcNow().ToUnixTimeMilliseconds(), Actor = "system", Subject = friendlyName };
        store.PutAsync(name, kek.Seal(name, Encoding.UTF8.GetBytes(element.ToString(SaveOptions.DisableFormatting))), entry, CancellationToken.None).GetAwaiter().GetResult();
    }
}
